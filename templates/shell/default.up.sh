# An empty migration: say here what it changes, and why.
# It runs as `sh -e` in the project's folder: the first command that fails ends it. What it did before stays, so one
# change a script is best, and one that may be made twice. A file with a run bit is run as it is, by its first line.
set -u

# mkdir -p "{{table}}"
