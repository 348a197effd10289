package io.crossdock.host;

/// Where the expert outputs of a plan's entries are read: in the owners' windows, or gathered at
/// home.
///
/// Safe for any worker while a combine runs.
interface RowSource {
  /// Adds the row of an entry to a sum.
  ///
  /// @param rows the sum
  /// @param entry of the send plan
  void addRow(RowSet rows, int entry);

  /// {@return a weight of an entry's row}
  ///
  /// @param entry of the send plan
  /// @param k choice
  float weight(int entry, int k);
}
