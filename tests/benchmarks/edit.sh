#!/bin/sh
# The yardstick (c): one picture, edited by curl. Usage: edit.sh ROOT URL NAME.jpg
set -eu
stem="${3%.jpg}"
cd "$1"
curl --silent --show-error --fail -H "Authorization: Bearer none" -F model=gpt-image-2 \
    -F "prompt=<inbox/$stem.txt" -F "image=@inbox/$3;type=image/jpeg" "$2/images/edits" |
    jq --raw-output '.data[0].b64_json' | base64 --decode > "work/$stem.png"
mv "work/$stem.png" outbox/
mv "inbox/$stem.txt" "inbox/$3" done/
