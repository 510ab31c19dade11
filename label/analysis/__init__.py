"""What a lab does with finished tables: statistics of segments, agreement of two tables, figures, and BIDS.

In data order: `tables` reads tables of this program, of other programs (`programs`) and of raters into `series`; on
them work `segments` with `statistics` and `segment_table`, `agreement` with `agreement_figure`, `group_means`,
`figures` (written by `figure_file`) and `bids`. pandas, matplotlib and scipy come with the extra `analysis`, and are
imported when they are used.
"""
