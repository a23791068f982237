"""The benchmark: this hub, PostGraphile, a plain ORM server and pgbench side by side, on one machine and one set of rows."""
