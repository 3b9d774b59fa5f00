#!/bin/sh
# Builds or fetches the servers that the tests run against, where the tests look for them. Needs Go, Maven and Java; does
# nothing the second time. Some ten minutes on a bare machine with two cores, most of it for MinIO.
#
#   scripts/install-servers.sh                    all of them
#   scripts/install-servers.sh versitygw hadoop   some of them (their names: the functions install_* below)
set -eu

versitygw=1.8.0
minio=v0.0.0-20260212201848-7aac2a2c5b7c # its releases have no numbers that Go takes for versions
fake_gcs_server=1.56.1
hadoop=3.4.1
toxiproxy=2.5.0

folder="${ALLUXIOFS_SERVERS:-$HOME/.cache/alluxiofs-servers}"
mkdir -p "$folder/bin"

need() { # a program, and what for
    command -v "$1" >/dev/null && return
    echo "install-servers.sh: $1 is needed for $2" >&2
    exit 1
}

# Build a Go program, unless this version of it is there: its name, package, module and version.
go_program() {
    need go "$1 (https://go.dev/dl/)"
    # A program built this way does not know its own version; Go does.
    if go version -m "$folder/bin/$1" 2>/dev/null | grep -F "$3" | grep -qF "$4"; then
        echo "$1 $4 is there: $folder/bin/$1"
        return
    fi
    echo "building $1 $4 (a few minutes)"
    CGO_ENABLED=0 GOBIN="$folder/built" go install "$2@$4"
    mv "$folder/built/$(basename "$2")" "$folder/bin/$1"
    rmdir "$folder/built"
    echo "built: $folder/bin/$1"
}

install_versitygw() { # S3, over a folder
    go_program versitygw github.com/versity/versitygw/cmd/versitygw versity/versitygw "v$versitygw"
}

install_fake_gcs_server() { # Google Cloud Storage, in memory
    go_program fake-gcs-server github.com/fsouza/fake-gcs-server fsouza/fake-gcs-server "v$fake_gcs_server"
}

install_hadoop() { # HDFS: the jars of a NameNode and a DataNode in one process
    need java "HDFS (Java 8 or later)"
    if [ -d "$folder/hadoop-$hadoop" ]; then
        echo "hadoop $hadoop is there: $folder/hadoop-$hadoop"
        return
    fi
    need mvn "HDFS (https://maven.apache.org/)"
    echo "fetching hadoop $hadoop (89 MB)"
    made="$(mktemp -d "$folder/hadoop.XXXXXX")"
    trap 'rm -rf "$made"' EXIT
    cat >"$made/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>alluxiofs</groupId>
  <artifactId>servers</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.hadoop</groupId>
      <artifactId>hadoop-client-minicluster</artifactId>
      <version>$hadoop</version>
    </dependency>
    <dependency>
      <groupId>org.apache.hadoop</groupId>
      <artifactId>hadoop-client-runtime</artifactId>
      <version>$hadoop</version>
    </dependency>
  </dependencies>
</project>
POM
    mvn --batch-mode --quiet --file "$made/pom.xml" dependency:copy-dependencies -DoutputDirectory="$made/lib"
    mv "$made/lib" "$folder/hadoop-$hadoop" # in one step: never half of it
    rm -rf "$made"
    trap - EXIT
    echo "fetched: $folder/hadoop-$hadoop"
}

install_minio() { # S3 again, where x and x/y can both be keys, and objects have versions
    go_program minio github.com/minio/minio minio/minio "$minio"
}

install_toxiproxy() { # a network that is slow, or fails
    go_program toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server Shopify/toxiproxy "v$toxiproxy"
}

install_etcd() { # where workers say that they are alive; Debian's, unpacked and not installed
    if command -v etcd >/dev/null || [ -x "$folder/bin/etcd" ]; then
        echo "etcd is there: $(command -v etcd || echo "$folder/bin/etcd")"
        return
    fi
    need apt-get "etcd (elsewhere: https://etcd.io/docs/v3.5/install/)"
    made="$(mktemp -d "$folder/etcd.XXXXXX")"
    trap 'rm -rf "$made"' EXIT
    (cd "$made" && { apt-get download etcd-server || { apt-get update && apt-get download etcd-server; }; }) >/dev/null
    dpkg-deb -x "$made"/etcd-server_*.deb "$made"
    mv "$made/usr/bin/etcd" "$folder/bin/etcd"
    rm -rf "$made"
    trap - EXIT
    echo "fetched: $folder/bin/etcd"
}

install_prometheus() { # what fetches metrics, and promtool, which checks its rules; Debian's, unpacked and not installed
    if { command -v prometheus && command -v promtool; } >/dev/null || [ -x "$folder/bin/promtool" ]; then
        echo "prometheus is there: $(command -v prometheus || echo "$folder/bin/prometheus")"
        return
    fi
    need apt-get "Prometheus (elsewhere: https://prometheus.io/download/)"
    made="$(mktemp -d "$folder/prometheus.XXXXXX")"
    trap 'rm -rf "$made"' EXIT
    (cd "$made" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; }) >/dev/null
    dpkg-deb -x "$made"/prometheus_*.deb "$made"
    mv "$made/usr/bin/prometheus" "$folder/bin/prometheus"
    mv "$made/usr/bin/promtool" "$folder/bin/promtool" # last: it is what is looked for
    rm -rf "$made"
    trap - EXIT
    echo "fetched: $folder/bin/prometheus"
}

install_torch() { # PyTorch without CUDA and what it needs: 152 MB to fetch, 600 MB; Debian's, for Debian's version of Python
    if python3 -c 'import torch.utils.data' 2>/dev/null || [ -x "$folder/bin/with-torch" ]; then
        echo "torch is there"
        return
    fi
    need apt-get "PyTorch (elsewhere: pip install torch)"
    made="$(mktemp -d "$folder/torch.XXXXXX")"
    trap 'rm -rf "$made"' EXIT
    plan() {
        apt-get --simulate --no-install-recommends install python3-torch 2>/dev/null |
            sed -n 's/^Inst \([^ ]*\).*/\1/p'
    }
    [ -n "$(plan)" ] || apt-get update >/dev/null
    # shellcheck disable=SC2046 # names of packages have no spaces
    (cd "$made" && apt-get download $(plan)) >/dev/null 2>&1
    for package in "$made"/*.deb; do
        dpkg-deb -x "$package" "$made"
        rm "$package"
    done
    # The packages of Python beside it are those of whoever imports it.
    mkdir "$made/python"
    ln -s ../usr/lib/python3/dist-packages/torch "$made/python/torch"
    rm -rf "$folder/torch" "$made/usr/share"
    mv "$made" "$folder/torch"
    trap - EXIT
    cat >"$folder/bin/with-torch.new" <<LAUNCHER
#!/bin/sh
# Runs a command whose Python can import torch.
root="$folder/torch"
machine="$(uname -m)-linux-gnu"
for part in lib/\$machine usr/lib usr/lib/\$machine usr/lib/\$machine/blas usr/lib/\$machine/lapack; do
    LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+\$LD_LIBRARY_PATH:}\$root/\$part"
done
PYTHONPATH="\$root/python\${PYTHONPATH:+:\$PYTHONPATH}"
export LD_LIBRARY_PATH PYTHONPATH
exec "\$@"
LAUNCHER
    chmod +x "$folder/bin/with-torch.new"
    mv "$folder/bin/with-torch.new" "$folder/bin/with-torch" # last: it is what is looked for
    echo "fetched: $folder/torch"
}

all=
[ $# -gt 0 ] || {
    all=yes
    set -- versitygw toxiproxy fake_gcs_server hadoop minio etcd prometheus
}
for server in "$@"; do
    "install_$server"
done

# It is no server, and only Debian's packages are small enough: where they cannot be had, one test does without, and says so.
if [ -n "$all" ]; then
    if "$0" torch; then
        rm -f "$folder/bin/without-torch"
    else
        echo "there is no PyTorch for this machine: the test of its DataLoader is left out"
        touch "$folder/bin/without-torch"
    fi
fi
