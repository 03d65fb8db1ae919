"""Contents of the charts, without geometry or colour: the page draws them as SVG, the figures with matplotlib."""
