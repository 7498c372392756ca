#!/usr/bin/env bash
# MkDocs 1.6.1, seen on 28 November 2026 with Python 3.11.
#
# `strict: true` (or --strict) fails a build that has a warning, such as a link to a page that is not there. With --quiet, as
# one would have it in CI, the same build ends with status 0: strict counts the warnings that are logged, and --quiet logs
# only errors. Nothing is printed, and the site with its dead link is there.
#
#   strict: status 1
#   strict and quiet: status 0, and the site is built
#
# https://www.mkdocs.org/user-guide/configuration/#strict says that strict halts processing when a warning is raised.
# So: build without --quiet, and put the output away if it is not wanted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q mkdocs==1.6.1
mkdir "$folder/docs"
printf 'site_name: Site\nstrict: true\nplugins: []\n' >"$folder/mkdocs.yml"
printf '# Site\n\n[not there](missing.md)\n' >"$folder/docs/index.md"
cd "$folder"
status() { "$folder/venv/bin/mkdocs" "$@" >/dev/null 2>&1 && echo 0 || echo $?; }
loud=$(status build)
rm -rf site
quiet=$(status --quiet build)
built=$([ -f site/index.html ] && echo "the site is built" || echo "no site")
echo "strict: status $loud"
echo "strict and quiet: status $quiet, and $built"
[ "$loud" = 1 ] && [ "$quiet" = 0 ] && [ "$built" = "the site is built" ]
