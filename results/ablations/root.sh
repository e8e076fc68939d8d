#!/bin/sh
# The cells of results/ablations/root.md: sh results/ablations/root.sh DIR [options of bbo run, such as --jobs 2 --threads 1]
set -e
out=${1:?usage: sh results/ablations/root.sh DIR [options of bbo run]}
shift
options=$*
b() {
    bbo run -t tfbind8 -t thin-film -t nas-bench-201-cifar100 -t rna-a --seeds 0-3 --preset fast --out "$out" $options "$@"
}

c=root-corrected
corrected() { # guidance, target, time scale, further options
    guidance=$1 target=$2 scale=$3
    shift 3
    b -b $c --set $c.guidance=$guidance --set $c.target=$target --set $c.time_scale=$scale "$@"
}

b -b root -b root-corrected

# one correction alone
b -b root --set root.swap_conditions=false
b -b root --set root.guidance=0.5
b -b root --set root.time_scale=0.001
b -b root --set root.target=synthetic --set root.alpha=1.0

# the settings of root-corrected
for guidance in 0 0.5 1.5 4; do corrected $guidance synthetic 0.001; done
for guidance in 0 0.5 1.5; do corrected $guidance visible 0.001; done
corrected 0.5 visible 0.01
corrected 0.5 synthetic 0.01
corrected 1.5 visible 0.1

# one correction reverted
corrected 0.5 visible 1.0
corrected -1.5 visible 0.1
corrected 0.5 visible 0.1 --set $c.swap_conditions=true
corrected 0.5 y_max 0.1 --set $c.alpha=0.8
# and from the first settings tried
corrected 0.5 synthetic 1.0
corrected -1.5 synthetic 0.001
corrected 0.5 synthetic 0.001 --set $c.swap_conditions=true

# the paper's own ablations
for functions in 1 2 8; do b -b root --set root.functions=$functions; done
for steps in 25 50 75; do b -b root --set root.steps=$steps; done
for points in 128 256 512; do b -b root --set root.points=$points; done
for start in lowest random; do b -b root --set root.start_points=$start; done
b -b root --set root.labelled=0.01
