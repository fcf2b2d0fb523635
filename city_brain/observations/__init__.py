"""What a source said: columns, codecs and admission.

vocabulary   the words a row may use, as small codes, and the units of what is measured
columns      `Observations`: a batch as it was sent, without loss
json_twin    one observation a line, to columns and back
envelope     many observations in one record, to columns and back, over `wire_format`
admission    what is plausible goes on as `Rows`; what is not is refused with one reason
content      a number for the rows of sources that number nothing
rows         `Rows`: the only table the engine sees
counters     every row read ends in exactly one counter
"""
