// A link such as /sign-in#key=… signs in automatically; the key is removed from the address at once.
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (key) {
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("key").value = key;
  document.getElementById("sign-in").submit();
}
