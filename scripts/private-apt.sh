# Apt's own client on a configuration of the project's: how a package of another
# Debian suite or architecture is had without privilege and without the machine's
# apt knowing of it. Lists, caches and state live below one folder; the machine's
# sources are only read, for the mirror they name, and its proxy settings are kept.
# The suite's signature is checked against the archive's keyring, as apt always does.
#
# To be sourced:
#   private_apt_open DIR SUITE ARCHITECTURE   configure, and fetch the suite's lists
#   private_apt PROGRAM ARGUMENT...           apt-get or apt-cache on that configuration
# shellcheck shell=sh

private_apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The addresses of Debian's main archive in the machine's own apt sources. Apt itself
# reads them, so one-line and deb822 files, comments and disabled entries are all understood.
private_apt_mirrors() {
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Identifier: Packages' 2>/dev/null |
        awk '$3 == "main" && $2 !~ /-(updates|security|backports)/ && $1 !~ /security/ &&
             $1 ~ /^(https?|ftp|file|mirror)/ && !seen[$1]++ { print $1 }'
}

private_apt_configure() { # ARCHITECTURE
    cat <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear Acquire::IndexTargets::deb::DEP-11;
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Default-Release "";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Dir::Etc::sourcelist "$private_apt_dir/sources.list";
Dir::Etc::sourceparts "$private_apt_dir/none";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$private_apt_dir/none";
Dir::State "$private_apt_dir/state";
Dir::State::status "$private_apt_dir/state/status";
Dir::State::Lists "$private_apt_dir/lists";
Dir::Cache "$private_apt_dir/cache";
CONF
}

private_apt() {
    private_apt_program=$1
    shift
    "$private_apt_program" -q -c "$private_apt_dir/apt.conf" "$@"
}

# Fails, with apt's reason on standard error, where no mirror gives the suite.
private_apt_open() {
    mkdir -p "$1"
    private_apt_dir=$(cd "$1" && pwd)
    mkdir -p "$private_apt_dir/state" "$private_apt_dir/none" "$private_apt_dir/lists/partial" \
        "$private_apt_dir/cache/archives/partial"
    : >"$private_apt_dir/state/status"
    private_apt_configure "$3" >"$private_apt_dir/apt.conf"
    [ -e "$private_apt_keyring" ] || {
        echo "$private_apt_keyring is missing (package debian-archive-keyring)" >&2
        return 1
    }
    for private_apt_mirror in $(private_apt_mirrors); do
        echo "deb [signed-by=$private_apt_keyring] $private_apt_mirror $2 main" \
            >"$private_apt_dir/sources.list"
        private_apt apt-get update >"$private_apt_dir/update.log" 2>&1 && return 0
    done
    grep -hE '^[EW]:' "$private_apt_dir/update.log" >&2 ||
        echo "this machine's apt sources name no Debian mirror" >&2
    return 1
}
