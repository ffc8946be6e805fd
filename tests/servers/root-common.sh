# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# What the kinds share whose server comes from a suite of Debian that this machine may not have: its packages are unpacked
# into the folder $ROOT, and it is run there with chroot, its data in $ROOT_DATA as seen from inside. Sourced; the kind
# defines `make_root FOLDER`.

root_packages() {
    [ -e "$ROOT/complete" ] && return 0
    command -v mmdebstrap >/dev/null 2>&1 || echo mmdebstrap
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

# Packages of a suite, $1, with all they need, unpacked into a folder, $2, without running their scripts; then what those
# scripts would have done. $3 are their names, with commas between.
unpack_root() {
    local suite=$1 dir=$2 packages=$3 d
    # A frozen copy of a suite is good enough for a test, though its date has passed.
    as_root mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$packages,dash" "$suite" "$dir" </dev/null || return 1
    for d in bin sbin lib lib64; do [ -e "$dir/$d" ] || as_root ln -s "usr/$d" "$dir/$d" || return 1; done
    [ -e "$dir/usr/bin/sh" ] || as_root ln -s dash "$dir/usr/bin/sh" || return 1
    for d in dev/shm "${ROOT_DATA#/}" tmp; do as_root mkdir -p "$dir/$d" && as_root chmod 1777 "$dir/$d" || return 1; done
    [ -e "$dir/dev/null" ] || as_root mknod -m 666 "$dir/dev/null" c 1 3 || return 1
    [ -e "$dir/dev/urandom" ] || as_root mknod -m 666 "$dir/dev/urandom" c 1 9 || return 1
    as_root chmod 0755 "$dir"
}

install_root() {
    can_be_root || die "$KIND: its server is run with chroot, which needs root; or point $(url_variable "$KIND") at your own"
    [ -e "$ROOT/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$ROOT/complete" ] && exit 0
        say "$KIND: downloading into $ROOT"
        as_root rm -rf "$ROOT.part" "$ROOT"
        make_root "$ROOT.part" 8>&- && as_root touch "$ROOT.part/complete" && as_root mv "$ROOT.part" "$ROOT"
    ) 8>"$ROOT.lock" >>"$LOG" 2>&1
}

# The data must lie inside the root: a folder there for each state folder, so that two clones do not meet.
place() { echo "$ROOT_DATA/$(printf %s "$DIR" | cksum | cut -d' ' -f1)"; }

# Makes that folder, empty, and the server's user known inside: initdb asks for his name. The root has a shell and the
# server, and few other programs: files are made from outside.
make_place() {
    local user path
    user=$(server_user) path=$(place)
    if ! grep -q "^$user:" "$ROOT/etc/passwd" 2>/dev/null; then
        echo "$user:x:$(id -u "$user"):$(id -g "$user")::/tmp:/bin/sh" | as_root tee -a "$ROOT/etc/passwd" >/dev/null || return 1
    fi
    remove_place
    as_root mkdir -p "$ROOT$path" && as_root chown "$user" "$ROOT$path" && as_root chmod 0700 "$ROOT$path"
}

remove_place() { [ ! -e "$ROOT$(place)" ] || as_root rm -rf "$ROOT$(place)"; }

# The words before a command that runs inside the root.
inside_words() {
    local user
    user=$(server_user)
    INSIDE=("${AS_ROOT[@]}" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 TZ=UTC
        chroot --userspec="$(id -u "$user"):$(id -g "$user")" "$ROOT")
}
