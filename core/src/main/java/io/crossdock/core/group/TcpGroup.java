package io.crossdock.core.group;

/// Groups whose ranks are processes, on one machine or on several.
///
/// Rank 0 listens, the others connect; whoever starts first waits for the rest until its timeout.
/// Both ends of a connection prove that they have the job secret before anything else is said, and
/// every later frame carries a proof of its own: who does not have the secret can neither join nor
/// change or repeat a frame, and a connection that proves nothing disturbs no rank. Frames are not
/// encrypted.
///
/// All contributions pass through rank 0. When it leaves, the group ends: a collective that others
/// start afterwards fails with [PeerLostException]. A process that dies is noticed at once, by its
/// connection; a machine that vanishes or a process that is stopped is named when the timeout of a
/// collective expires.
///
/// Safe for any thread.
public final class TcpGroup {
  private TcpGroup() {}

  /// Finds the other ranks. Returns when all are there.
  ///
  /// @param settings who this rank is and where the ranks meet
  /// @return this rank's member
  /// @throws PeerMissingException when ranks do not come in time; all that came get it
  /// @throws PeerLostException when a rank came and ended while others were awaited
  /// @throws GroupSecretException when this rank and rank 0 do not have the same secret
  /// @throws GroupVersionException when a rank has another version of the protocol
  /// @throws GroupConfigException when rank 0 cannot listen, the ranks do not agree on size or
  ///   local size, or two claim one rank
  /// @throws GroupException when a rank aborts, or the thread is interrupted
  public static ProcessGroup join(TcpGroupSettings settings) {
    return join(settings, Handshake.VERSION);
  }

  static ProcessGroup join(TcpGroupSettings settings, int version) {
    if (settings.size() == 1) {
      return InProcessGroup.create(1, GroupOptions.defaults().withTimeout(settings.timeout()))
          .getFirst();
    }
    Deadline bound = Deadline.in(settings.timeout());
    HubGroup group = connect(settings, version, bound);
    boolean met = false;
    try {
      group.meet(bound);
      met = true;
      return group;
    } finally {
      if (!met) {
        group.close();
      }
    }
  }

  private static HubGroup connect(TcpGroupSettings settings, int version, Deadline bound) {
    var membership =
        new HubGroup.Membership(
            settings.rank(),
            settings.size(),
            settings.localSize(),
            settings.meetsOnLoopback(),
            settings.name(),
            settings.timeout());
    try {
      if (settings.rank() == 0) {
        TcpHost host = new TcpHost(settings, version, bound, TcpHost.listen(settings, bound));
        return new HubGroup(membership, host.hub(), host::close);
      }
      var channel = new TcpMember(settings, version, bound).connect();
      RemoteHub hub = new RemoteHub(settings.size(), channel);
      return new HubGroup(membership, hub, hub::close);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new GroupInterruptedException(
          "interrupted in a collective: phase="
              + GroupPhase.RENDEZVOUS
              + ", rank="
              + settings.rank());
    }
  }
}
