// Tables whose blocks refer to a trained dictionary: smaller, and the same answers.

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tests/support/table_fixture.h"

namespace lsmlab::test {
namespace {

using TablePtr = std::unique_ptr<Table>;

void ExpectAnswers(const Table& table, const EntryMap& model) {
  for (const auto& [key, value] : model) {
    const LookupKey lookup(key.first, TagSequence(key.second));
    LookupFold fold(lookup.snapshot);
    TableReadCounters counters;
    ASSERT_TRUE(table.filter().MayContain(lookup, counters)) << key.first;
    const Status status = Finish(table.Get(lookup, fold, counters));
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(fold.state(), LookupFold::State::kFound) << key.first;
    ASSERT_EQ(fold.value(), value);
  }
  for (const bool fill_cache : {true, false}) {
    Table::IteratorOptions options;
    options.fill_cache = fill_cache;
    auto it = table.NewIterator(options);
    TableHome::Must(Finish(it->SeekToLast()));
    for (auto at = model.rbegin(); at != model.rend(); ++at) {
      ASSERT_TRUE(it->valid());
      ASSERT_EQ(it->key(), at->first.first);
      ASSERT_EQ(it->value(), at->second);
      TableHome::Must(Finish(it->Prev()));
    }
    ASSERT_FALSE(it->valid());
  }
  const Status verified = Finish(table.Verify());
  ASSERT_TRUE(verified.ok()) << verified.ToString();
}

class DictionaryTable
    : public testing::TestWithParam<std::tuple<const TableVariant*, const char*, bool>> {
 protected:
  static TableParts Parts() {
    TableParts parts;
    parts.table = std::get<0>(GetParam());
    parts.layout = std::get<1>(GetParam());
    parts.codec = &kZstdCodec;
    parts.block_bytes = 512;
    if (std::get<2>(GetParam())) {
      parts.block_alignment = "page";
      parts.block_bytes = 16384;
      parts.alignment = 4096;
    }
    return parts;
  }
};

TEST_P(DictionaryTable, IsSmallerAndAnswersTheSame) {
  const bool pages = std::get<2>(GetParam());
  const EntryMap model = PeopleRecords(4000);
  TableParts parts = Parts();
  uint64_t bytes[2];
  for (const bool dictionary : {false, true}) {
    parts.dictionary_bytes = dictionary ? 2048 : 0;
    TableHome home(parts);
    const TableProperties properties = home.Build("t", model);
    bytes[dictionary] = home.io().Contents("t").size();
    // On whole pages a dictionary seldom saves one; then there is none.
    if (!pages) {
      EXPECT_EQ(properties.dictionary_bytes > 0, dictionary);
    }
    EXPECT_LE(properties.dictionary_bytes, 2048u);
    TablePtr table = std::move(home.Open("t")).value();
    EXPECT_EQ(table->properties().dictionary_bytes, properties.dictionary_bytes);
    EXPECT_GT(table->pinned_bytes(), properties.dictionary_bytes);
    ExpectAnswers(*table, model);
  }
  EXPECT_LE(bytes[true], bytes[false]);
  if (!pages) {
    EXPECT_LT(bytes[true], bytes[false] * 3 / 4);
    std::printf("blocks of 512 bytes: %llu bytes, with a dictionary of 2 KiB %llu, ratio %.2f\n",
                static_cast<unsigned long long>(bytes[false]),
                static_cast<unsigned long long>(bytes[true]),
                static_cast<double>(bytes[true]) / static_cast<double>(bytes[false]));
  }
}

// All samples fit before the table ends, or not a single block or key does.
TEST_P(DictionaryTable, SamplesOfAnySize) {
  TableParts parts = Parts();
  for (const size_t dictionary : {256, 64 << 10}) {
    parts.dictionary_bytes = dictionary;
    EntryMap model = PeopleRecords(400);
    for (const size_t length : {25'000, 60'000}) {
      model.emplace(
          EntryKey("user10100" + std::string(length, 'k'), MakeTag(length, EntryKind::kPut)),
          std::string(length, 'v'));
      model.emplace(EntryKey("user10300", MakeTag(length, EntryKind::kPut)),
                    std::string(length, 'v'));
    }
    TableHome home(parts);
    home.Build("t", model);
    TablePtr table = std::move(home.Open("t")).value();
    ExpectAnswers(*table, model);
  }
  // Too few, or none.
  for (const size_t records : {0, 1, 8, 20}) {
    const EntryMap model = PeopleRecords(records);
    TableHome home(parts);
    EXPECT_EQ(home.Build("t", model).dictionary_bytes, 0u) << records;
    ExpectAnswers(*std::move(home.Open("t")).value(), model);
  }
}

TEST_P(DictionaryTable, BlocksThatWereKeptAreTheirs) {
  TableParts parts = Parts();
  parts.dictionary_bytes = 1024;
  const EntryMap model = PeopleRecords(3000);
  TableHome home(parts);
  home.Build("t", [&](TableBuilder& builder, FileWriter&) {
    size_t added = 0;
    for (const auto& [key, value] : model) {
      builder.KeepBlocks(added++ / 100 % 2 == 0, 1u << 30);
      TableHome::Must(builder.Add(key.first, key.second, value));
    }
  });
  TablePtr table = std::move(home.Open("t")).value();
  auto kept = home.TakeKept();
  EXPECT_GT(kept.size(), 5u);
  table->FillCache(std::move(kept));
  ExpectAnswers(*table, model);
}

INSTANTIATE_TEST_SUITE_P(All, DictionaryTable,
                         testing::Combine(testing::Values(&kFlatTable, &kPartitionedTable),
                                          testing::Values("restarts", "slotted"), testing::Bool()),
                         [](const auto& c) {
                           return std::string(std::get<0>(c.param)->name) + "_" +
                                  std::get<1>(c.param) +
                                  (std::get<2>(c.param) ? "_pages" : "_packed");
                         });

}  // namespace
}  // namespace lsmlab::test
