"""Storage: records read from folders and files, and written as CSV or Parquet."""
