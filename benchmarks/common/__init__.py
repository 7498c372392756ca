"""What the benchmarks share: where they run, whom they measure, and their figures as Markdown."""
