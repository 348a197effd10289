package io.crossdock.host;

/// Where expert outputs of this node are read for a rank of the rail: in the owners' windows, or
/// gathered.
///
/// Safe for any worker while a combine runs.
interface NodeRows {
  /// Adds the row that a rank of this node computed to a sum.
  ///
  /// @param rows the sum
  /// @param row which one
  void addRow(RowSet rows, Key row);

  /// {@return a weight of a row}
  ///
  /// @param row which one
  /// @param k choice
  float weight(Key row, int k);

  /// Names a row: which home, which of its rows, and who computed it. Reused.
  ///
  /// Confined to one worker.
  final class Key {
    /// The node of the home.
    int node;

    /// Of a far home the index in its stream, of this rank the token.
    int index;

    /// The local rank of the owner.
    int local;

    /// Among the rows that the home sent to the owner.
    int position;

    Key at(int homeNode, int rowIndex) {
      node = homeNode;
      index = rowIndex;
      return this;
    }

    Key of(int ownerLocal, int ownerPosition) {
      local = ownerLocal;
      position = ownerPosition;
      return this;
    }
  }
}
