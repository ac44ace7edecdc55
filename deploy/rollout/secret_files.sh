#!/usr/bin/env bash
# Secrets of an application as files in the host's memory.
#   write FOLDER       takes lines `NAME BASE64` from stdin
#   read FOLDER...     prints lines `FOLDER NAME BASE64`
#   sweep APP ID...    removes those of every other release
export LC_ALL=C
set -e
umask 022

write() {
  local name text
  if [[ $(stat -f -c %T /dev/shm) != tmpfs ]]; then
    echo "/dev/shm is not in memory (no tmpfs)" >&2
    exit 1
  fi
  # Everybody may make files in /dev/shm: what is there already has to be ours.
  if ! mkdir -m 700 -- "$1" 2>/dev/null && [[ ! -d $1 || -L $1 || ! -O $1 ]]; then
    echo "$1 cannot be made, or is another user's" >&2
    exit 1
  fi
  chmod 700 -- "$1"
  mkdir -p -- "$1/files"
  while read -r name text; do
    rm -f -- "$1/files/$name"
    printf %s "$text" | base64 -d >"$1/files/$name"
    chmod 444 -- "$1/files/$name"
  done
}

read_all() {
  local folder file
  for folder; do
    for file in "$folder"/files/*; do
      [[ ! -r $file ]] || printf '%s %s %s\n' "$folder" "${file##*/}" "$(base64 -w0 -- "$file")"
    done
  done
}

sweep() {
  local app=$1 folder id kept
  shift
  for folder in /dev/shm/jarship-"$app"-*; do
    id=${folder#/dev/shm/jarship-"$app"-}
    [[ $id =~ ^[0-9]{14}-[0-9a-f]{4}$ && -O $folder && ! -L $folder ]] || continue
    for kept; do
      [[ $id != "$kept" ]] || continue 2
    done
    rm -rf -- "$folder"
  done
}

task=$1
shift
case $task in
write) write "$@" ;;
read) read_all "$@" ;;
sweep) sweep "$@" ;;
esac
