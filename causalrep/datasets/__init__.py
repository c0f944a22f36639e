"""Data sets whose truth is known: worlds that draw their own pictures, and files of real ones."""
