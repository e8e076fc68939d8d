#!/bin/sh
# The cells of results/own.csv: sh results/own.sh DIR [options of bbo run, such as --jobs 2]
# Tasks that were not looked at while gp-search and validated-search were made. rna-c and tfbind10 need their data files.
set -e
out=${1:?usage: sh results/own.sh DIR [options of bbo run]}
shift
bbo run -t rna-c -t tfbind10 -t nas-bench-201-cifar10 -t nas-bench-201-imagenet16 -t hpo-protein -t hpo-parkinsons -t ehrlich-32 \
  -t ehrlich-128 -b gp-search -b validated-search -b coms -b gp-ascent -b gradient-ascent -b gradient-ascent-mean -b cma-es -b genetic \
  -b reinforce -b bdi -b mango -b random -b offline-best --seeds 0-3 --preset fast --out "$out" "$@"
