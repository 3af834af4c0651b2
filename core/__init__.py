"""The engine of Kinscope: files, exact neighbours, projections. It never imports Qt."""
