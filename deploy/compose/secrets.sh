#!/bin/sh
# Makes the secrets of deploy/compose/compose.yaml, each in a file of deploy/compose/secrets; those that are there stay.
set -eu
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"

make() { # make <file> <content>
  if [ ! -e "$1" ]; then
    printf '%s' "$2" > "$1"
    echo "made $1"
  fi
  # Processes run as another user than whoever makes this; the folder is closed to others.
  chmod 0444 "$1"
}
random() { openssl rand -hex 24; }

make owner_password "$(random)"
make owner_database_url "postgresql://hearback:$(cat owner_password)@postgresql:5432/hearback"
for service in dispatcher collector scorer alerter; do
  make "${service}_database_url" "postgresql://hearback_${service}:$(random)@postgresql:5432/hearback"
done
make hearback_secret "$(openssl rand -hex 32)"
if [ ! -e hearback_api_keys ]; then
  key=$(random)
  make hearback_api_keys "operator:$(printf '%s' "$key" | sha256sum | cut -d' ' -f1):*"
  printf '%s' "$key" > api_key
  echo "made api_key, the key itself, with every scope"
fi
