"""What maintainers run: the reference pages, the audit of the packages, the matrix of oldest and newest versions."""
