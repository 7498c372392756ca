#!/usr/bin/env bash
# Material for MkDocs 9.8.2 with MkDocs 1.6.1, seen on 28 November 2026 with Python 3.11.
#
# The plugin `offline` prepares a site for being read without a network, from the file system. It is what puts a script
# from the network into every page: https://unpkg.com/iframe-worker/shim, which the search is meant to run on there. A site
# without the plugin has no such line. So a site for a closed network asks a stranger's server at each page, and a
# content security policy that was right for the site is not for its offline build.
#
#   without the plugin: 0 pages with a script from the network
#   with the plugin offline: 2 of 2 pages
#
# https://squidfunk.github.io/mkdocs-material/plugins/offline/
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q mkdocs==1.6.1 mkdocs-material==9.8.2
mkdir "$folder/docs"
printf '# Site\n' >"$folder/docs/index.md"
cd "$folder"
pages() {
    printf 'site_name: Site\nplugins: [%s]\ntheme: {name: material, font: false}\n' "$1" >mkdocs.yml
    rm -rf site
    venv/bin/mkdocs build >log 2>&1 || { cat log; exit 1; }
    { grep -lE '<script[^>]*src="https?://' site/*.html || true; } | wc -l
}
without=$(pages "")
with=$(pages offline)
echo "without the plugin: $without pages with a script from the network"
echo "with the plugin offline: $with of $(ls site/*.html | wc -l) pages"
[ "$without" = 0 ] && [ "$with" = 2 ] && grep -q 'https://unpkg.com/iframe-worker/shim' site/index.html
