#include "engine/format/version_edit.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/coding.h"
#include "engine/base/random.h"
#include "engine/format/file_name.h"

namespace lsmlab {
namespace {

TableEntry EntryOf(uint64_t file) {
  TableEntry t;
  t.file = file;
  t.id = {0x0102030405060708, 0x1112131415161718};
  t.level = 2;
  t.run = 300;
  t.bytes = 1 << 20;
  t.entries = 1000;
  t.tombstones = 7;
  t.raw_bytes = 2 << 20;
  t.smallest_key = "apple";
  t.largest_key = "pear";
  t.smallest_tag = MakeTag(9, EntryKind::kPut);
  t.largest_tag = MakeTag(8, EntryKind::kDelete);
  t.min_sequence = 5;
  t.max_sequence = 12;
  t.created_ns = 123456789;
  t.oldest_tombstone_ns = 42;
  t.last_level = true;
  return t;
}

ValueFileEntry ValueFileOf(uint64_t file) {
  ValueFileEntry v;
  v.file = file;
  v.id = {0x2122232425262728, 0x3132333435363738};
  v.bytes = 1 << 20;
  v.records = 77;
  v.record_bytes = 1'000'000;
  v.created_ns = 987654321;
  return v;
}

VersionEdit SampleEdit() {
  VersionEdit edit;
  edit.log_number = 17;
  edit.last_sequence = kMaxSequence;
  edit.next_file = 99;
  edit.policy_state = "state";
  edit.added = {EntryOf(12), EntryOf(13)};
  edit.added[1].sequence_override = 55;
  edit.removed = {{3}, {400}};
  edit.added[1].values = {{20, 500}, {21, 1}};
  edit.values_added = {ValueFileOf(20), ValueFileOf(21)};
  edit.values_removed = {15, 300};
  return edit;
}

std::string Encode(const VersionEdit& edit) {
  std::string out;
  EncodeVersionEdit(edit, out);
  return out;
}

TEST(VersionEdit, RoundTrip) {
  VersionEdit edit = SampleEdit();
  edit.tree = 4;
  for (TableEntry& table : edit.added) table.tree = 4;
  for (ValueFileEntry& file : edit.values_added) file.tree = 4;
  VersionEdit read;
  ASSERT_TRUE(DecodeVersionEdit(Encode(edit), &read).ok());
  EXPECT_EQ(read.tree, 4u);
  EXPECT_EQ(read.log_number, 17u);
  EXPECT_EQ(read.last_sequence, kMaxSequence);
  EXPECT_EQ(read.next_file, 99u);
  EXPECT_EQ(read.policy_state, "state");
  ASSERT_EQ(read.added.size(), 2u);
  ASSERT_EQ(read.removed.size(), 2u);
  EXPECT_EQ(read.removed[1].file, 400u);
  const TableEntry want = EntryOf(12);
  const TableEntry& got = read.added[0];
  EXPECT_EQ(got.file, want.file);
  EXPECT_EQ(got.tree, 4u);
  EXPECT_EQ(got.id, want.id);
  EXPECT_EQ(got.level, want.level);
  EXPECT_EQ(got.run, want.run);
  EXPECT_EQ(got.bytes, want.bytes);
  EXPECT_EQ(got.entries, want.entries);
  EXPECT_EQ(got.tombstones, want.tombstones);
  EXPECT_EQ(got.raw_bytes, want.raw_bytes);
  EXPECT_EQ(got.smallest_key, want.smallest_key);
  EXPECT_EQ(got.largest_key, want.largest_key);
  EXPECT_EQ(got.smallest_tag, want.smallest_tag);
  EXPECT_EQ(got.largest_tag, want.largest_tag);
  EXPECT_EQ(got.min_sequence, want.min_sequence);
  EXPECT_EQ(got.max_sequence, want.max_sequence);
  EXPECT_EQ(got.created_ns, want.created_ns);
  EXPECT_EQ(got.oldest_tombstone_ns, want.oldest_tombstone_ns);
  EXPECT_TRUE(got.last_level);
  EXPECT_FALSE(got.sequence_override.has_value());
  EXPECT_EQ(read.added[1].sequence_override, 55u);
  EXPECT_TRUE(got.values.empty());
  ASSERT_EQ(read.added[1].values.size(), 2u);
  EXPECT_EQ(read.added[1].values[0].file, 20u);
  EXPECT_EQ(read.added[1].values[0].bytes, 500u);
  ASSERT_EQ(read.values_added.size(), 2u);
  const ValueFileEntry& values = read.values_added[1];
  EXPECT_EQ(values.file, 21u);
  EXPECT_EQ(values.tree, 4u);
  EXPECT_EQ(values.id, ValueFileOf(21).id);
  EXPECT_EQ(values.bytes, 1u << 20);
  EXPECT_EQ(values.records, 77u);
  EXPECT_EQ(values.record_bytes, 1'000'000u);
  EXPECT_EQ(values.created_ns, 987654321);
  EXPECT_EQ(read.values_removed, (std::vector<uint64_t>{15, 300}));
  // Encoding what was read gives the same bytes.
  EXPECT_EQ(Encode(read), Encode(edit));
}

TEST(VersionEdit, GoldenBytes) {
  VersionEdit edit;
  edit.log_number = 300;
  edit.policy_state = "s";
  edit.removed = {{3}};
  EXPECT_EQ(Encode(edit), std::string("\x02\x02\xac\x02\x05\x01s\x07\x01\x03", 10));
  TableEntry t;
  t.file = 2;
  t.smallest_key = "a";
  t.largest_key = "b";
  VersionEdit adds;
  adds.added = {t};
  EXPECT_EQ(Encode(adds), std::string("\x06\x3e\x02\x00\x00\x00\x00\x00\x00", 9) +
                              std::string(16, '\0') +
                              "\x01"
                              "a\x01"
                              "b" +
                              std::string(16, '\0') + std::string(2, '\0') + std::string(16, '\0') +
                              std::string(1, '\0'));
}

TEST(VersionEdit, EveryCutIsRefusedOrAFieldBoundary) {
  const std::string bytes = Encode(SampleEdit());
  int whole = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    VersionEdit read;
    const Status status = DecodeVersionEdit(Slice(bytes).substr(0, size), &read);
    EXPECT_TRUE(status.ok() || status.IsCorruption());
    whole += status.ok();
  }
  EXPECT_EQ(whole, 12);
}

TEST(VersionEdit, UnknownMandatoryFieldIsRefusedOptionalSkipped) {
  std::string bytes = Encode(SampleEdit());
  VersionEdit read;
  std::string optional = bytes;
  PutVarint64(optional, 64);
  PutLengthPrefixed(optional, "future");
  EXPECT_TRUE(DecodeVersionEdit(optional, &read).ok());
  std::string mandatory = bytes;
  PutVarint64(mandatory, 63);
  PutLengthPrefixed(mandatory, "future");
  EXPECT_TRUE(DecodeVersionEdit(mandatory, &read).IsCorruption());
}

TEST(VersionEdit, LimitsAreHeld) {
  const auto refused = [](auto change) {
    VersionEdit edit = SampleEdit();
    change(edit);
    VersionEdit read;
    return DecodeVersionEdit(Encode(edit), &read).IsCorruption();
  };
  EXPECT_FALSE(refused([](VersionEdit&) {}));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].file = 0; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].level = 32; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].smallest_key = "zebra"; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].largest_key.assign(65536, 'z'); }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].min_sequence = 13; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].max_sequence = kMaxSequence + 1; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].sequence_override = kMaxSequence + 1; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[1].values[0].file = 0; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[1].values[1].file = 20; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[1].values[1].bytes = 0; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.values_added[0].file = 0; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.values_added[0].record_bytes = 2 << 20; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.last_sequence = kMaxSequence + 1; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.policy_state->assign(4097, 's'); }));
  std::string twice = Encode(SampleEdit()) + Encode(SampleEdit());
  VersionEdit read;
  EXPECT_TRUE(DecodeVersionEdit(twice, &read).IsCorruption());
}

TEST(VersionEdit, APartSaysThatItContinues) {
  VersionEdit part, read;
  part.removed = {{3}};
  part.continues = true;
  std::string bytes = Encode(part);
  ASSERT_TRUE(DecodeVersionEdit(bytes, &read).ok());
  EXPECT_TRUE(read.continues);
  EXPECT_EQ(Encode(read), bytes);
  bytes.back() = 0;
  EXPECT_TRUE(DecodeVersionEdit(bytes, &read).IsCorruption());
}

TEST(VersionEdit, RandomBytesNeverCrash) {
  Random random(11);
  const std::string sample = Encode(SampleEdit());
  for (int round = 0; round < 100000; ++round) {
    std::string bytes = sample;
    for (uint64_t n = random.Below(4) + 1; n > 0; --n) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    }
    VersionEdit read;
    if (DecodeVersionEdit(bytes, &read).ok()) Encode(read);
  }
}

TEST(CatalogState, AppliesEditsInOrder) {
  CatalogState state;
  VersionEdit first;
  first.added = {EntryOf(5), EntryOf(3)};
  first.next_file = 6;
  ASSERT_TRUE(ApplyEdit(first, &state).ok());
  VersionEdit second;
  second.removed = {{3}};
  second.added = {EntryOf(4), EntryOf(9)};
  second.log_number = 8;
  second.next_file = 2;
  ASSERT_TRUE(ApplyEdit(second, &state).ok());
  ASSERT_EQ(state.tables.size(), 3u);
  EXPECT_EQ(state.tables[0].file, 4u);
  EXPECT_EQ(state.tables[1].file, 5u);
  EXPECT_EQ(state.tables[2].file, 9u);
  EXPECT_EQ(state.log_number, 8u);
  EXPECT_EQ(state.next_file, 6u);
  VersionEdit move;
  move.removed = {{5}};
  move.added = {EntryOf(5)};
  move.added[0].level = 3;
  ASSERT_TRUE(ApplyEdit(move, &state).ok());
  EXPECT_EQ(state.tables[1].level, 3u);
  VersionEdit values;
  values.values_added = {ValueFileOf(12), ValueFileOf(11)};
  ASSERT_TRUE(ApplyEdit(values, &state).ok());
  values.values_added = {ValueFileOf(13)};
  values.values_removed = {12};
  ASSERT_TRUE(ApplyEdit(values, &state).ok());
  ASSERT_EQ(state.value_files.size(), 2u);
  EXPECT_EQ(state.value_files[0].file, 11u);
  EXPECT_EQ(state.value_files[1].file, 13u);
}

TEST(CatalogState, RefusesContradictions) {
  CatalogState state;
  VersionEdit add;
  add.added = {EntryOf(5)};
  ASSERT_TRUE(ApplyEdit(add, &state).ok());
  EXPECT_TRUE(ApplyEdit(add, &state).IsCorruption());
  VersionEdit remove;
  remove.removed = {{6}};
  EXPECT_TRUE(ApplyEdit(remove, &state).IsCorruption());
  remove.removed = {{5}, {5}};
  EXPECT_TRUE(ApplyEdit(remove, &state).IsCorruption());
  add.added = {EntryOf(7), EntryOf(7)};
  EXPECT_TRUE(ApplyEdit(add, &state).IsCorruption());
  EXPECT_EQ(state.tables.size(), 1u);
  VersionEdit values;
  values.values_added = {ValueFileOf(8)};
  ASSERT_TRUE(ApplyEdit(values, &state).ok());
  EXPECT_TRUE(ApplyEdit(values, &state).IsCorruption());
  values.values_removed = {8};
  EXPECT_TRUE(ApplyEdit(values, &state).IsCorruption());
  values.values_added.clear();
  values.values_removed = {9};
  EXPECT_TRUE(ApplyEdit(values, &state).IsCorruption());
  values.values_removed = {8, 8};
  EXPECT_TRUE(ApplyEdit(values, &state).IsCorruption());
  EXPECT_EQ(state.value_files.size(), 1u);
}

TEST(FileName, OneNamePerNumber) {
  EXPECT_EQ(NumberedFileName("", 7, ".sst"), "000007.sst");
  EXPECT_EQ(NumberedFileName("MANIFEST-", 12345678, ""), "MANIFEST-12345678");
  EXPECT_EQ(ParseNumberedFileName("", ".log", "000012.log"), 12u);
  EXPECT_EQ(ParseNumberedFileName("", ".log", "12345678.log"), 12345678u);
  for (const char* name : {"12.log", "0000012.log", "000012.sst", "00001x.log", "-00012.log",
                           ".log", "99999999999999999999.log", "000012.log "}) {
    EXPECT_FALSE(ParseNumberedFileName("", ".log", name).has_value()) << name;
  }
}

}  // namespace
}  // namespace lsmlab
