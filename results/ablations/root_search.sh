#!/bin/sh
# The cells of results/ablations/root_search.md: sh results/ablations/root_search.sh DIR [options of bbo run, such as --jobs 2 --threads 1]
set -e
out=${1:?usage: sh results/ablations/root_search.sh DIR [options of bbo run]}
shift
options=$*
b() {
    bbo run -t tfbind8 -t nas-bench-201-cifar100 -t thin-film --seeds 0-1 --preset fast --out "$out" $options "$@"
}

b -b root
b -b root --set root.polish=100
b -b root --set root.centre=validation
b -b root --set root.polish=100 --set root.centre=validation
