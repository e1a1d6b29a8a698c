#include "engine/base/status.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/count_allocations.h"

namespace lsmlab {
namespace {

void ExpectIs(const Status& status, StatusCode code, const std::string& message) {
  EXPECT_EQ(status.code(), code);
  EXPECT_EQ(status.ok(), code == StatusCode::kOk);
  EXPECT_EQ(status.message(), message);
}

// Every kind of content: none, a code alone, a code with a message.
std::vector<std::pair<StatusCode, std::string>> Contents() {
  return {{StatusCode::kOk, ""},
          {StatusCode::kNotFound, ""},
          {StatusCode::kAborted, ""},
          {StatusCode::kCorruption, "000012.sst offset 4096"},
          {StatusCode::kNotFound, "key"}};
}

TEST(StatusTest, CopiesMovesAndAssignsEveryContentOverEveryOther) {
  for (const auto& [code, message] : Contents()) {
    for (const auto& [other_code, other_message] : Contents()) {
      Status source(code, message);
      Status copied(other_code, other_message);
      copied = source;
      ExpectIs(copied, code, message);
      ExpectIs(source, code, message);
      Status moved(other_code, other_message);
      moved = std::move(source);
      ExpectIs(moved, code, message);
      const Status constructed(std::move(moved));
      ExpectIs(constructed, code, message);
      Status& self = copied;
      copied = self;
      ExpectIs(copied, code, message);
      copied = std::move(self);
      ExpectIs(copied, code, message);
    }
  }
}

TEST(StatusTest, OkHasNoMessage) {
  ExpectIs(Status(StatusCode::kOk, "ignored"), StatusCode::kOk, "");
}

TEST(StatusTest, NotFoundAllocatesNothing) {
  const uint64_t before = test::ThreadAllocations();
  Status status = Status::NotFound();
  const Status copy = status;
  EXPECT_TRUE(copy.IsNotFound());
  EXPECT_EQ(test::ThreadAllocations() - before, 0u);
  EXPECT_EQ(copy.ToString(), "not found");
  EXPECT_EQ(Status::NotFound("file x").ToString(), "not found: file x");
}

}  // namespace
}  // namespace lsmlab
