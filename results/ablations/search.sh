#!/bin/sh
# The cells of results/ablations/search.md: sh results/ablations/search.sh DIR [options of bbo run, such as --jobs 2 --threads 1]
set -e
out=${1:?usage: sh results/ablations/search.sh DIR [options of bbo run]}
shift
options=$*
m=validated-search
boxes="-t thin-film -t superconductor"
all="-t tfbind8 -t rna-a -t nas-bench-201-cifar100 $boxes"
b() {
    bbo run --seeds 0-1 --preset fast --out "$out" $options "$@"
}

b $all -b $m -b gp-search
b $all -b $m --set $m.model=plain
b $all -b $m --set $m.explore=0
b $all -b $m --set $m.members=1
b $all -b $m --set $m.ranks=false
b $boxes -b $m --set $m.trend=false
