#!/bin/bash
# Runs an example twice on one directory: it must work on a new store and on its own.
set -euo pipefail
directory=$(mktemp -d /var/tmp/lsmlab-embed-XXXXXX)
trap 'rm -rf "$directory"' EXIT
first=$("$1" "$directory/store")
second=$("$1" "$directory/store")
echo "$first"
[[ "$first" == *banana* && "$second" == *banana* ]]
