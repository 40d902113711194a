#!/bin/sh
# What the page brings from npm, as dashboard/package-lock.json says: uPlot, copied to dashboard/static/vendor/, and
# axe-core for the tests.
#
#   install-web.sh            all of it
#   install-web.sh --omit=dev without what only tests need, for an image
#
# Without npm, or without its registry, it says in one sentence what is done instead. Ends with 0 either way. Takes
# milliseconds when nothing changed.
set -eu
cd "$(dirname "$0")/../dashboard"
vendor=static/vendor
mark=node_modules/.sightline
key=$(cat package.json package-lock.json ../docker/install-web.sh | cksum)$*
files='uPlot.iife.min.js uPlot.min.css'

there() {
    for file in $files; do [ -s "$vendor/$file" ] || return 1; done
}
if there && [ "$(cat $mark 2>/dev/null)" = "$key" ]; then exit 0; fi

instead='the page shows tables in place of charts, and its accessibility test is skipped.'
if ! command -v npm >/dev/null; then
    there || echo "npm was not found: $instead (Debian: apt-get install npm)"
    exit 0
fi
log=$(mktemp)
# shellcheck disable=SC2048,SC2086 # options, one a word
if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error $* >"$log" 2>&1 </dev/null; then
    echo "npm did not bring uPlot, see $log: $instead"
    exit 0
fi
rm -f "$log"
mkdir -p $vendor
for file in $files; do cp "node_modules/uplot/dist/$file" $vendor/; done
cp node_modules/uplot/LICENSE $vendor/uPlot.LICENSE
printf '%s' "$key" >$mark
