#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "tests/support/table_fixture.h"

// Tables whose index is larger than any data block may be: few entries with keys of the largest
// size.
namespace lsmlab::test {
namespace {

constexpr uint64_t kLargeKeys = 1100;

std::string LargeKey(uint64_t i) {
  char number[24];
  std::snprintf(number, sizeof number, "%08llu", static_cast<unsigned long long>(i));
  return number + std::string(65'000, 'k');
}

TEST(LargeTable, AnIndexLargerThanABlockIsReadBack) {
  TableHome home(TableParts{});
  const Tag tag = MakeTag(7, EntryKind::kPut);
  const TableProperties properties =
      home.Build("t", [&](TableBuilder& builder, FileWriter& writer) {
        for (uint64_t i = 0; i < kLargeKeys; ++i) {
          TableHome::Must(builder.Add(LargeKey(i), tag, "v"));
          if (writer.NeedsFlush()) TableHome::Must(Finish(writer.Flush()));
        }
      });
  EXPECT_GT(properties.index_bytes, 68u << 20);
  Result<std::unique_ptr<Table>> table = home.Open("t");
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_TRUE(Finish(table.value()->Verify()).ok());
}

}  // namespace
}  // namespace lsmlab::test
