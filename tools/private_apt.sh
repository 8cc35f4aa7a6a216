# Read by tools that fetch packages: apt with lists, cache and package state of its own below a directory, so that the
# system's packages are neither asked nor changed. Needs no root.
#
#   private_apt DIRECTORY SETTINGS    makes it, with more settings of apt's
#   apt WORD...                       apt-get there; what it says is in DIRECTORY/log, what it downloads in DIRECTORY/archives
# shellcheck shell=sh

private_apt() {
    state=$1
    mkdir -p "$state/lists/partial" "$state/archives/partial"
    touch "$state/status"
    # Read after the system's configuration, whose hooks are for the system's own state.
    cat >"$state/apt.conf" <<END
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$state";
Dir::State::lists "$state/lists";
Dir::State::status "$state/status";
Dir::Cache "$state";
Dir::Cache::archives "$state/archives";
Dir::Log "$state";
$2
END
}

apt() { (cd "$state/archives" && apt-get -q -c "$state/apt.conf" "$@" >"$state/log" 2>&1); }
