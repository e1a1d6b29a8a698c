#include "engine/tree/write_queue.h"

#include <gtest/gtest.h>

namespace lsmlab {
namespace {

constexpr size_t kAnySize = SIZE_MAX;

TEST(WriteQueue, OneAloneIsInNobodysGroupAndNobodyInItsOwn) {
  WriteQueue queue;
  Writer first, second, alone, last;
  alone.alone = true;
  EXPECT_TRUE(queue.Join(&first));
  for (Writer* writer : {&second, &alone, &last}) EXPECT_FALSE(queue.Join(writer));
  EXPECT_EQ(queue.Gather(&first, kAnySize), &second);
  queue.Finish(&first, &second, Status::NoSpace("refused"));
  EXPECT_EQ(second.state, Writer::kDone);
  EXPECT_EQ(second.status.code(), StatusCode::kNoSpace);
  EXPECT_EQ(alone.state, Writer::kLeader);
  EXPECT_TRUE(alone.status.ok());
  EXPECT_EQ(queue.Gather(&alone, kAnySize), &alone);
  queue.Finish(&alone, &alone, Status());
  EXPECT_EQ(last.state, Writer::kLeader);
  EXPECT_EQ(queue.Gather(&last, kAnySize), &last);
  queue.Finish(&last, &last, Status());
}

}  // namespace
}  // namespace lsmlab
