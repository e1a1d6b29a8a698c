#!/bin/bash
# Runs an example twice on one directory: it must work on a new store and on its own, and say exactly
# what is expected. `embed`: the snapshot has the banana that is deleted now. `event_loop`: the date
# is put after the walk, so that only the second run finds it.
set -euo pipefail
case $(basename "$1") in
  embed) first=$'apple=red banana=yellow \napple=red ' second=$first ;;
  event_loop)
    first=$'banana cherry \n1000 answers' second=$'banana cherry date \n1000 answers' ;;
  *) echo "nothing is known of $1" >&2; exit 1 ;;
esac
directory=$(mktemp -d /var/tmp/lsmlab-embed-XXXXXX)
trap 'rm -rf "$directory"' EXIT
for expected in "$first" "$second"; do
  found=$("$1" "$directory/store")
  diff <(echo "$expected") <(echo "$found")
done
