package io.crossdock.core.protocol;

/// The windows of one kind that a rank owns, and who holds them. The owner picks any free one; the
/// choice is never a function of a shared counter.
///
/// Safe for any thread.
public final class WindowSet {
  /// Who holds a window.
  ///
  /// Safe for any thread.
  public enum Holder {
    /// Nobody.
    FREE,
    /// A call in flight.
    CALL,
    /// The caller: a live borrowed result, or an expert-output buffer handed out.
    LEASE,
    /// Readers that have not pulled yet.
    READERS
  }

  private final Holder[] holders;
  private final long[] epochs;
  private final long[] tickets;
  private final boolean[] leased;
  private long lastTicket;

  /// Creates free windows.
  ///
  /// @param numWindows how many
  public WindowSet(int numWindows) {
    holders = new Holder[numWindows];
    epochs = new long[numWindows];
    tickets = new long[numWindows];
    leased = new boolean[numWindows];
    clear();
  }

  /// {@return how many windows there are}
  public int size() {
    return holders.length;
  }

  /// Takes a free window for a call.
  ///
  /// @return its index, or -1 if none is free
  public synchronized int acquire() {
    for (int window = 0; window < holders.length; window++) {
      if (holders[window] == Holder.FREE) {
        holders[window] = Holder.CALL;
        leased[window] = false;
        tickets[window] = ++lastTicket;
        return window;
      }
    }
    return -1;
  }

  /// Takes a window over from its lease for a call, so that ending the lease no longer frees it.
  ///
  /// @param window its index
  /// @return false if the window is not leased
  public synchronized boolean claimLease(int window) {
    if (holders[window] != Holder.LEASE) {
      return false;
    }
    holders[window] = Holder.CALL;
    leased[window] = true;
    return true;
  }

  /// Takes a window back from a call that was not carried out: to the lease it was claimed from, if
  /// that was not ended meanwhile, else it is free.
  ///
  /// @param window its index
  public synchronized void withdraw(int window) {
    if (holders[window] == Holder.CALL) {
      holders[window] = leased[window] ? Holder.LEASE : Holder.FREE;
    }
  }

  /// Hands a window to the next holder.
  ///
  /// @param window its index
  /// @param holder LEASE or READERS
  /// @param epoch since when; readers must have pulled it
  public synchronized void hand(int window, Holder holder, long epoch) {
    holders[window] = holder;
    epochs[window] = epoch;
  }

  /// Frees a window.
  ///
  /// @param window its index
  public synchronized void free(int window) {
    holders[window] = Holder.FREE;
  }

  /// {@return true if a lease lasts}
  ///
  /// @param window its index
  /// @param ticket [#ticket] of the window when the lease began
  public synchronized boolean isLeased(int window, long ticket) {
    return tickets[window] == ticket && holders[window] == Holder.LEASE;
  }

  /// Frees a lease, unless the window has passed to another holder since. A call that claimed it
  /// keeps the window, and frees it in the end.
  ///
  /// @param window its index
  /// @param ticket [#ticket] of the window when the lease began
  public synchronized void endLease(int window, long ticket) {
    if (tickets[window] != ticket) {
      return;
    }
    leased[window] = false;
    if (holders[window] == Holder.LEASE) {
      holders[window] = Holder.FREE;
    }
  }

  /// {@return who holds a window}
  ///
  /// @param window its index
  public synchronized Holder holder(int window) {
    return holders[window];
  }

  /// {@return a number that no earlier holder of any window had}
  ///
  /// @param window its index
  public synchronized long ticket(int window) {
    return tickets[window];
  }

  /// {@return since which epoch the holder has it}
  ///
  /// @param window its index
  public synchronized long epoch(int window) {
    return epochs[window];
  }

  /// Frees all windows.
  public synchronized void clear() {
    for (int window = 0; window < holders.length; window++) {
      holders[window] = Holder.FREE;
      epochs[window] = 0;
    }
  }

  /// {@return who holds what, as facts}
  public synchronized String describe() {
    StringBuilder facts = new StringBuilder("[");
    for (int window = 0; window < holders.length; window++) {
      facts.append(window == 0 ? "" : ", ").append(window).append(':').append(holders[window]);
      facts.append("@epoch").append(epochs[window]);
    }
    return facts.append(']').toString();
  }
}
