"""Board: records turned into scores, ranks, groups and intervals."""
