#!/usr/bin/env bash
# Appends the line on stdin to the audit file of an application. Argument: the application's name.
export LC_ALL=C
set -e
umask 077
folder=$HOME/.jarship/$1
mkdir -p -- "$folder"
file=$folder/audit.jsonl
# A disk that was full may have left half a line.
[[ ! -s $file || -z $(tail -c 1 -- "$file") ]] || echo >>"$file"
cat >>"$file"
