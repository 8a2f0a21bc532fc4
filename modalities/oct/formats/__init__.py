"""One file per format an OCT volume may be stored in."""
