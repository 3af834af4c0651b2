"""The front end of Kinscope: headless commands and the Qt window. It never imports mlx."""
