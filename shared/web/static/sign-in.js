// A link such as /sign-in#key=… fills in the key, which is removed from the address at once. The person decides: a link
// from a stranger must not sign them in as somebody else unseen.
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (key) {
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("key").value = key;
  document.getElementById("from-link").hidden = false;
  document.getElementById("submit").focus();
}
