#include "engine/tree/event_log.h"

#include <gtest/gtest.h>

namespace lsmlab {
namespace {

constexpr int64_t kMs = 1'000'000;

StoreEvent Flush() {
  StoreEvent event;
  event.kind = StoreEvent::Kind::kFlush;
  return event;
}

TEST(EventLog, PausesCloseToEachOtherAreOneSlowdown) {
  EventLog log;
  log.AddPause(0, 0, 5 * kMs);
  log.Add(Flush());
  log.AddPause(0, 50 * kMs, 60 * kMs);
  log.AddPause(0, 160 * kMs, 170 * kMs);
  log.AddPause(0, 300 * kMs, 310 * kMs);  // 130 ms later
  const std::vector<StoreEvent> events = log.Take();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].kind, StoreEvent::Kind::kSlowdown);
  EXPECT_EQ(events[0].start_ns, 0);
  EXPECT_EQ(events[0].end_ns, 170 * kMs);
  EXPECT_EQ(events[1].kind, StoreEvent::Kind::kFlush);
  EXPECT_EQ(events[2].start_ns, 300 * kMs);
  EXPECT_EQ(events[2].cause, "compaction owed");
}

TEST(EventLog, EveryShardHasItsOwnSlowdown) {
  EventLog log;
  log.AddPause(0, 0, 5 * kMs);
  log.AddPause(1, 1 * kMs, 6 * kMs);
  log.AddPause(0, 10 * kMs, 12 * kMs);
  const std::vector<StoreEvent> events = log.Take();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].end_ns, 12 * kMs);
  EXPECT_EQ(events[1].shard, 1u);
  EXPECT_EQ(events[1].end_ns, 6 * kMs);
}

TEST(EventLog, AfterTakeASlowdownBeginsAnew) {
  EventLog log;
  log.AddPause(0, 0, 5 * kMs);
  EXPECT_EQ(log.Take().size(), 1u);
  log.AddPause(0, 10 * kMs, 12 * kMs);
  const std::vector<StoreEvent> events = log.Take();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].start_ns, 10 * kMs);
}

}  // namespace
}  // namespace lsmlab
