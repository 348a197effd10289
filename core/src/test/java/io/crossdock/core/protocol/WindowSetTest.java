package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.protocol.WindowSet.Holder;
import org.junit.jupiter.api.Test;

class WindowSetTest {
  private final WindowSet windows = new WindowSet(2);

  @Test
  void handsOutEachFreeWindowOnce() {
    assertThat(windows.acquire()).isEqualTo(0);
    assertThat(windows.acquire()).isEqualTo(1);
    assertThat(windows.acquire()).isEqualTo(-1);
    windows.free(1);
    assertThat(windows.acquire()).isEqualTo(1);
  }

  @Test
  void keepsAWindowFromOthersWhoeverHoldsIt() {
    for (Holder holder : new Holder[] {Holder.CALL, Holder.LEASE, Holder.READERS}) {
      WindowSet one = new WindowSet(1);
      one.hand(one.acquire(), holder, 3);
      assertThat(one.acquire()).as("holder=%s", holder).isEqualTo(-1);
      assertThat(one.holder(0)).isEqualTo(holder);
      assertThat(one.epoch(0)).isEqualTo(3);
    }
  }

  @Test
  void givesEveryHolderATicketOfItsOwn() {
    long first = windows.ticket(windows.acquire());
    long second = windows.ticket(windows.acquire());
    windows.clear();
    long third = windows.ticket(windows.acquire());
    assertThat(first).isNotEqualTo(second).isNotEqualTo(third);
    assertThat(second).isNotEqualTo(third);
  }

  @Test
  void endsALeaseOnceAndOnlyByItsTicket() {
    long ticket = lease();
    windows.endLease(0, ticket + 1);
    assertThat(windows.holder(0)).isEqualTo(Holder.LEASE);
    windows.endLease(0, ticket);
    assertThat(windows.holder(0)).isEqualTo(Holder.FREE);
    lease();
    windows.endLease(0, ticket);
    assertThat(windows.holder(0)).isEqualTo(Holder.LEASE);
  }

  @Test
  void endsNoLeaseThatPassedToReaders() {
    long ticket = lease();
    assertThat(windows.claimLease(0)).isTrue();
    windows.endLease(0, ticket);
    assertThat(windows.holder(0)).isEqualTo(Holder.CALL);
    windows.hand(0, Holder.READERS, 5);
    windows.endLease(0, ticket);
    assertThat(windows.holder(0)).isEqualTo(Holder.READERS);
  }

  @Test
  void claimsOnlyLeases() {
    assertThat(windows.claimLease(0)).isFalse();
    windows.acquire();
    assertThat(windows.claimLease(0)).isFalse();
    windows.hand(0, Holder.READERS, 1);
    assertThat(windows.claimLease(0)).isFalse();
    windows.free(0);
    lease();
    assertThat(windows.claimLease(0)).isTrue();
    assertThat(windows.claimLease(0)).isFalse();
  }

  @Test
  void withdrawsAWindowToWhereItCameFrom() {
    windows.acquire();
    windows.withdraw(0);
    assertThat(windows.holder(0)).isEqualTo(Holder.FREE);

    lease();
    windows.claimLease(0);
    windows.withdraw(0);
    assertThat(windows.holder(0)).isEqualTo(Holder.LEASE);
  }

  @Test
  void freesAWithdrawnWindowWhoseLeaseEndedMeanwhile() {
    long ticket = lease();
    windows.claimLease(0);
    windows.endLease(0, ticket);
    windows.withdraw(0);
    assertThat(windows.holder(0)).isEqualTo(Holder.FREE);
  }

  @Test
  void forgetsTheLeaseOfAnEarlierHolder() {
    lease();
    windows.claimLease(0);
    windows.free(0);
    windows.acquire();
    windows.withdraw(0);
    assertThat(windows.holder(0)).isEqualTo(Holder.FREE);
  }

  @Test
  void withdrawsOnlyFromCalls() {
    lease();
    windows.withdraw(0);
    assertThat(windows.holder(0)).isEqualTo(Holder.LEASE);
    windows.hand(0, Holder.READERS, 1);
    windows.withdraw(0);
    assertThat(windows.holder(0)).isEqualTo(Holder.READERS);
  }

  @Test
  void clearsAll() {
    lease();
    windows.acquire();
    windows.clear();
    assertThat(windows.describe()).isEqualTo("[0:FREE@epoch0, 1:FREE@epoch0]");
  }

  @Test
  void describesEveryHolder() {
    lease();
    assertThat(windows.describe()).isEqualTo("[0:LEASE@epoch1, 1:FREE@epoch0]");
    assertThat(windows.size()).isEqualTo(2);
  }

  private long lease() {
    int window = windows.acquire();
    windows.hand(window, Holder.LEASE, 1);
    return windows.ticket(window);
  }

  @Test
  void aLeaseLastsUntilItIsEndedOrClaimed() {
    WindowSet windows = new WindowSet(1);
    int window = windows.acquire();
    long ticket = windows.ticket(window);
    assertThat(windows.isLeased(window, ticket)).isFalse();
    windows.hand(window, WindowSet.Holder.LEASE, 1);
    assertThat(windows.isLeased(window, ticket)).isTrue();
    assertThat(windows.isLeased(window, ticket + 1)).isFalse();
    windows.claimLease(window);
    assertThat(windows.isLeased(window, ticket)).isFalse();
    windows.withdraw(window);
    assertThat(windows.isLeased(window, ticket)).isTrue();
    windows.endLease(window, ticket);
    assertThat(windows.isLeased(window, ticket)).isFalse();
  }
}
