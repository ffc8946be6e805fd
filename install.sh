#!/bin/sh
# Builds Stepladder from this folder and installs it for one user or for the machine. See --help.
set -u

path_of_caller=${PATH:-}

usage() {
    cat <<'USAGE'
Usage: ./install.sh [--prefix DIR] [--yes]
       ./install.sh --uninstall [--prefix DIR]

Builds stepladder with cargo and installs DIR/bin/stepladder, its shell completions and its manual page.

  --prefix DIR   where to install                                      (default: ~/.local)
  --yes, -y      install what the build needs (Rust, a C compiler) with this machine's package manager
  --uninstall    remove what an earlier install.sh put under DIR, and nothing else
  --help, -h     this

Needs Rust and a C compiler; without --yes, what is missing is named with the command that installs it.
USAGE
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
fail() {
    warn "$@"
    exit 1
}
misuse() {
    warn "$1"
    usage >&2
    exit 2
}

prefix=
prefix_given=no
yes=no
uninstall=no
while [ $# -gt 0 ]; do
    case $1 in
    --prefix)
        [ $# -ge 2 ] || misuse "--prefix needs a folder"
        prefix=$2
        prefix_given=yes
        shift
        ;;
    --prefix=*)
        prefix=${1#--prefix=}
        prefix_given=yes
        ;;
    -y | --yes) yes=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) misuse "unknown option: $1" ;;
    esac
    shift
done

if [ "$prefix_given" = no ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set; say where to install with --prefix DIR"
    prefix=$HOME/.local
fi
[ -n "$prefix" ] || misuse "--prefix needs a folder"
case $prefix in
/*) ;;
*) prefix=$PWD/$prefix ;;
esac
while [ "$prefix" != / ] && [ "${prefix%/}" != "$prefix" ]; do prefix=${prefix%/}; done

# What was installed, a line each, relative to the prefix: "file bin/stepladder", and "folder ..." for each folder made here.
manifest=$prefix/share/stepladder/manifest

# --- taking it away ----------------------------------------------------------------------------------------------

remove_all() {
    if ! [ -f "$manifest" ]; then
        say "nothing to remove: $manifest is not there (installed under another --prefix?)"
        return 0
    fi
    list=$(cat "$manifest") || fail "cannot read $manifest"
    printf '%s\n' "$list" | (
        failed=0
        while read -r what path; do
            case $what:$path in
            file:/* | file:*..* | folder:*) continue ;;
            file:?*)
                [ -e "$prefix/$path" ] || continue
                if rm -f "$prefix/$path"; then say "removed $prefix/$path"; else failed=1; fi
                ;;
            esac
        done
        exit "$failed"
    ) || fail "some files could not be removed; try as the user who installed them: ./install.sh --uninstall --prefix '$prefix'"
    rm -f "$manifest" || fail "could not remove $manifest"
    # The deepest folder comes last in the list; one that holds something else stays.
    printf '%s\n' "$list" | sed -n 's/^folder //p' | sed '1!G;h;$!d' | while read -r path; do
        case $path in /* | *..*) continue ;; esac
        rmdir "$prefix/$path" 2>/dev/null && say "removed $prefix/$path/"
    done
    return 0
}

if [ "$uninstall" = yes ]; then
    remove_all
    exit 0
fi

# --- what the build needs ----------------------------------------------------------------------------------------

source_dir=$(cd "$(dirname "$0")" && pwd -P) || fail "cannot enter the folder of install.sh"
[ -f "$source_dir/Cargo.toml" ] || fail "no Cargo.toml beside install.sh: clone the whole repository, then run the install.sh in it"
wanted_rust=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$source_dir/Cargo.toml")

scratch=$(mktemp -d) || fail "cannot make a temporary folder; is there room in ${TMPDIR:-/tmp}?"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A Rust of rustup's that this shell does not know yet, or brew's.
find_rust() {
    command -v cargo >/dev/null 2>&1 && return 0
    for folder in "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin" /opt/homebrew/opt/rustup/bin /usr/local/opt/rustup/bin; do
        if [ -x "$folder/cargo" ]; then
            PATH=$folder:$PATH
            export PATH
            return 0
        fi
    done
    return 1
}

# Whether version $1 is at least version $2.
at_least() {
    awk -v have="$1" -v want="$2" 'BEGIN {
        split(have, h, "."); split(want, w, ".")
        for (i = 1; i <= 3; i++) if (h[i] + 0 != w[i] + 0) exit !(h[i] + 0 > w[i] + 0)
    }'
}

rust_version() { (cd "$source_dir" && rustc --version 2>/dev/null) | sed 's/^rustc \([0-9.]*\).*/\1/'; }

# Compiles and links: a compiler without the C library's headers is no help.
c_works() {
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$scratch/probe.c"
    ${CC:-cc} "$scratch/probe.c" -o "$scratch/probe" >/dev/null 2>&1
}

# Sets missing_rust and missing_c to what is wrong, or to nothing.
look() {
    missing_rust=
    missing_c=
    if ! find_rust || ! command -v rustc >/dev/null 2>&1; then
        missing_rust="Rust (cargo and rustc, $wanted_rust or newer) is missing"
    else
        have=$(rust_version)
        if [ -z "$have" ]; then
            missing_rust="rustc is there and does not run; it says: $(cd "$source_dir" && rustc --version 2>&1 | head -n 1)"
        elif ! at_least "$have" "$wanted_rust"; then
            missing_rust="Rust $wanted_rust or newer is needed, this is $have"
        fi
    fi
    c_works || missing_c="a C compiler that works (${CC:-cc}) is missing"
}

rustup_script='curl --proto "=https" --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal'

c_command() {
    case $1 in
    apt) echo "apt-get install -y gcc libc6-dev" ;;
    dnf) echo "dnf install -y gcc" ;;
    apk) echo "apk add gcc musl-dev" ;;
    pacman) echo "pacman -S --noconfirm --needed gcc" ;;
    brew) echo "xcode-select --install" ;;
    esac
}

rust_command() {
    if command -v rustup >/dev/null 2>&1; then
        echo "rustup toolchain install stable --profile minimal && rustup default stable"
        return
    fi
    case $1 in
    apt)
        # Debian 12 has no rustup, and a rustc that is too old.
        if command -v curl >/dev/null 2>&1; then
            echo "$rustup_script"
        else
            echo "${sudo}apt-get install -y curl ca-certificates && $rustup_script"
        fi
        ;;
    dnf) echo "${sudo}dnf install -y rustup && rustup-init -y --profile minimal" ;;
    apk) echo "${sudo}apk add rustup && rustup-init -y --profile minimal" ;;
    pacman) echo "${sudo}pacman -S --noconfirm --needed rustup && rustup default stable" ;;
    brew) echo "brew install rust" ;;
    *) echo "$rustup_script" ;;
    esac
}

manager=
for candidate in apt-get:apt dnf:dnf apk:apk pacman:pacman brew:brew; do
    if command -v "${candidate%%:*}" >/dev/null 2>&1; then
        manager=${candidate#*:}
        break
    fi
done
[ -n "$manager" ] || [ "$(uname -s)" != Darwin ] || manager=brew

sudo=
[ "$(id -u)" -eq 0 ] || [ "$manager" = brew ] || sudo='sudo '

explain() {
    if [ -n "$missing_rust" ]; then warn "$missing_rust"; fi
    if [ -n "$missing_c" ]; then warn "$missing_c"; fi
    warn "install what is missing, or let ./install.sh --yes do it:"
    if [ -n "$manager" ]; then
        if [ -n "$missing_c" ]; then printf '    %s\n' "$sudo$(c_command "$manager")" >&2; fi
        if [ -n "$missing_rust" ]; then printf '    %s\n' "$(rust_command "$manager")" >&2; fi
        return
    fi
    sudo='sudo '
    for each in 'apt:Debian, Ubuntu' dnf:Fedora apk:Alpine pacman:Arch brew:macOS; do
        printf '  %s\n' "${each#*:}" >&2
        [ "$each" != brew:macOS ] || sudo=
        if [ -n "$missing_c" ]; then printf '    %s\n' "$sudo$(c_command "${each%%:*}")" >&2; fi
        if [ -n "$missing_rust" ]; then printf '    %s\n' "$(rust_command "${each%%:*}")" >&2; fi
    done
}

run() {
    say "+ $1"
    sh -c "$1" </dev/null
}

look
if [ -n "$missing_rust$missing_c" ]; then
    if [ "$yes" = no ]; then
        explain
        exit 1
    fi
    if [ -z "$manager" ]; then
        explain
        fail "no package manager that --yes knows (apt-get, dnf, apk, pacman, brew)"
    fi
    [ "$manager" != apt ] || run "${sudo}apt-get update" || warn "apt-get update failed; going on with the old lists"
    if [ -n "$missing_c" ]; then
        run "$sudo$(c_command "$manager")" || fail "that command failed; install a C compiler by hand, then run ./install.sh again"
    fi
    if [ -n "$missing_rust" ]; then
        run "$(rust_command "$manager")" || fail "that command failed; install Rust by hand (https://rustup.rs), then run ./install.sh again"
    fi
    hash -r
    look
    if [ -n "$missing_rust$missing_c" ]; then
        explain
        fail "still missing after installing; open a new shell and run ./install.sh again"
    fi
fi

# --- building and installing -------------------------------------------------------------------------------------

target=${CARGO_TARGET_DIR:-$source_dir/target}
case $target in
/*) ;;
*) target=$PWD/$target ;;
esac

# Better now than after minutes of building.
cannot_write() { fail "cannot write $1; choose another folder with --prefix DIR, or run install.sh as a user who may"; }
if ! mkdir -p "$prefix" 2>/dev/null || ! [ -w "$prefix" ]; then cannot_write "$prefix"; fi

say "building with Rust $(rust_version), the first time takes some minutes"
(unset CARGO_BUILD_TARGET && cd "$source_dir" && cargo build --release --locked --bin stepladder --target-dir "$target") ||
    fail "the build failed, see above; nothing was installed"
binary=$target/release/stepladder
[ -x "$binary" ] || fail "cargo built no $binary; is another target set in a cargo configuration file?"

: >"$scratch/manifest"
if [ -f "$manifest" ]; then cat "$manifest" >"$scratch/manifest"; fi

note() { grep -qxF "$1" "$scratch/manifest" || printf '%s\n' "$1" >>"$scratch/manifest"; }

# Makes a folder below the prefix and notes each level that was not there.
make_folder() {
    level=
    rest=$1/
    while [ -n "$rest" ]; do
        level=${level:+$level/}${rest%%/*}
        rest=${rest#*/}
        [ -d "$prefix/$level" ] && continue
        mkdir "$prefix/$level" || cannot_write "$prefix/$level"
        note "folder $level"
    done
}

save_manifest() {
    { cp "$scratch/manifest" "$manifest.new.$$" && mv -f "$manifest.new.$$" "$manifest"; } || cannot_write "$manifest"
}

# put FILE PATH MODE: into place in one move, so that a running stepladder and a full disk do no harm.
put() {
    make_folder "$(dirname "$2")"
    new=$prefix/$2.new.$$
    { cp "$1" "$new" && chmod "$3" "$new" && mv -f "$new" "$prefix/$2"; } || {
        rm -f "$new"
        cannot_write "$prefix/$2"
    }
    note "file $2"
    save_manifest
    say "installed $prefix/$2"
}

# What stepladder prints itself, where it does: put_printed PATH WORDS...
put_printed() {
    path=$1
    shift
    if (cd "$scratch" && "$binary" "$@" </dev/null >"$scratch/out" 2>/dev/null) && [ -s "$scratch/out" ]; then
        put "$scratch/out" "$path" 0644
    else
        say "left out: stepladder $* prints nothing"
    fi
}

make_folder share/stepladder
save_manifest
put "$binary" bin/stepladder 0755
put_printed share/bash-completion/completions/stepladder completions bash
put_printed share/zsh/site-functions/_stepladder completions zsh
put_printed share/fish/vendor_completions.d/stepladder.fish completions fish
put_printed share/man/man1/stepladder.1 man

case :$path_of_caller: in
*:"$prefix/bin":*) ;;
*)
    say
    say "$prefix/bin is not on your PATH. For this shell and, in your shell's start-up file, for all to come:"
    say "    export PATH=\"$prefix/bin:\$PATH\""
    ;;
esac
say
say "stepladder is installed; remove it with: $0 --uninstall --prefix '$prefix'"
