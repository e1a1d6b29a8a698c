#include "engine/format/value_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/memory_io.h"
#include "variants/codec/codecs.h"

// The bytes of one value file: what was added comes back, and nothing else ever does. Of a file
// that is written and read through the page cache, and of one that is direct.
namespace lsmlab::test {
namespace {

constexpr const char* kValuePath = "/000007.val";
constexpr size_t kHeaderBytes = 56, kFooterBytes = 32;

struct AddedValue {
  std::string key, value;
  ValueReference reference;
};

class ValueFileTest : public testing::TestWithParam<size_t> {
 protected:
  ValueFileTest() : io_(GetParam()) {}
  void Write(const std::vector<std::pair<std::string, std::string>>& values, bool compressed) {
    auto file = Finish(OpenFile(io_, IoSite::kValueFile, OpenMode::kCreate, kValuePath));
    FileWriter writer(io_, IoSite::kValueFile, std::move(file).value());
    ValueFileBuilder builder(7, TableId{3, 4}, 99, compressed ? codec_.get() : nullptr,
                             kLz4Codec.id, writer);
    for (const auto& [key, value] : values) {
      stored_.push_back({key, value, builder.Add(key, value)});
    }
    const std::string footer = builder.Finish(&entry_);
    ASSERT_TRUE(Finish(writer.Finish(footer)).ok());
    EXPECT_EQ(io_.Contents(kValuePath).size(), entry_.bytes);
  }
  void WriteSome(bool compressed) {
    std::vector<std::pair<std::string, std::string>> values;
    Random random(5);
    for (int i = 0; i < 12; ++i) {
      std::string value(random.Below(300), static_cast<char>('a' + i));
      if (i % 3 == 0) value.append(std::to_string(random.Next()));
      values.emplace_back("key" + std::to_string(i), value);
    }
    values.emplace_back("", "");
    values.emplace_back(std::string(kMaxKeyBytes, 'k'), std::string(100, '\0'));
    Write(values, compressed);
  }
  Result<std::unique_ptr<ValueFile>> OpenAs(const ValueFileEntry& entry) {
    auto file = Finish(OpenFile(io_, IoSite::kValueRead, OpenMode::kRead, kValuePath));
    return Finish(ValueFile::Open(io_, std::move(file).value(), entry, codec_by_id_));
  }
  static bool NamesPlace(const Status& status) {
    return status.IsCorruption() && status.message().find(kValuePath) != std::string_view::npos &&
           status.message().find("expected") != std::string_view::npos;
  }

  MemoryIo io_;
  const uint64_t alignment_ = GetParam();
  std::unique_ptr<Codec> codec_ = kLz4Codec.make(DefaultSettings(kLz4Codec.settings));
  const ValueFile::CodecById codec_by_id_ = [this](uint8_t id) -> const Codec* {
    return id == kLz4Codec.id ? codec_.get() : nullptr;
  };
  std::vector<AddedValue> stored_;
  ValueFileEntry entry_;
};

TEST_P(ValueFileTest, GivesBackWhatWasAdded) {
  for (const bool compressed : {false, true}) {
    stored_.clear();
    io_.Remove(kValuePath);
    WriteSome(compressed);
    EXPECT_EQ(entry_.file, 7u);
    EXPECT_EQ(entry_.records, stored_.size());
    auto file = OpenAs(entry_);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    uint64_t bytes = 0;
    for (const AddedValue& one : stored_) {
      std::string encoded;
      EncodeValueReference(one.reference, encoded);
      ValueReference decoded;
      ASSERT_TRUE(DecodeValueReference(encoded, &decoded));
      EXPECT_EQ(decoded.file, 7u);
      auto value = Finish(file.value()->Read(decoded, one.key));
      ASSERT_TRUE(value.ok()) << value.status().ToString();
      EXPECT_EQ(value.value()->bytes(), one.value);
      bytes += one.reference.size;
    }
    EXPECT_EQ(bytes, entry_.record_bytes);
    EXPECT_TRUE(Finish(file.value()->Verify()).ok());
  }
}

TEST_P(ValueFileTest, AnotherKeyOrPlaceIsRefused) {
  WriteSome(false);
  auto file = OpenAs(entry_);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(NamesPlace(Finish(file.value()->Read(stored_[1].reference, "key2")).status()));
  for (const uint64_t offset : {uint64_t{0}, stored_[1].reference.offset + 1, entry_.bytes,
                                entry_.bytes - 32, UINT64_MAX}) {
    ValueReference other = stored_[1].reference;
    other.offset = offset;
    EXPECT_TRUE(NamesPlace(Finish(file.value()->Read(other, "key1")).status())) << offset;
  }
  for (const uint32_t size :
       {0u, 19u, stored_[1].reference.size - 1, stored_[1].reference.size + 1, UINT32_MAX}) {
    ValueReference other = stored_[1].reference;
    other.size = size;
    EXPECT_TRUE(NamesPlace(Finish(file.value()->Read(other, "key1")).status())) << size;
  }
  ValueReference decoded;
  for (const char* bytes : {"", "\x01", "\x01\x01", "\x01\x01\x01\x01", "\x80"}) {
    EXPECT_FALSE(DecodeValueReference(bytes, &decoded));
  }
}

// Every bit of the file matters, and every cut.
TEST_P(ValueFileTest, AnyDamageIsFound) {
  for (const bool compressed : {false, true}) {
    stored_.clear();
    io_.Remove(kValuePath);
    Write({{"a", std::string(200, 'x')}, {"b", "second"}, {"", std::string(70, 'y')}}, compressed);
    const std::string whole = io_.Contents(kValuePath);
    const uint64_t records_end = kHeaderBytes + entry_.record_bytes;
    for (size_t bit = 0; bit < whole.size() * 8; bit += 3) {
      std::string damaged = whole;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      io_.Put(kValuePath, damaged);
      auto file = OpenAs(entry_);
      if (!file.ok()) {
        EXPECT_TRUE(NamesPlace(file.status())) << bit << file.status().ToString();
        continue;
      }
      const Status verified = Finish(file.value()->Verify());
      EXPECT_TRUE(NamesPlace(verified)) << bit << verified.ToString();
      const bool in_padding = bit / 8 >= records_end;
      size_t refused = 0;
      for (const AddedValue& one : stored_) {
        auto value = Finish(file.value()->Read(one.reference, one.key));
        if (value.ok()) {
          EXPECT_EQ(value.value()->bytes(), one.value);
        } else {
          EXPECT_TRUE(NamesPlace(value.status())) << value.status().ToString();
        }
        refused += value.ok() ? 0 : 1;
      }
      EXPECT_EQ(refused, in_padding ? 0u : 1u) << bit;
    }
    for (size_t size = 0; size < whole.size(); size += 7) {
      io_.Put(kValuePath, whole.substr(0, size));
      EXPECT_TRUE(NamesPlace(OpenAs(entry_).status())) << size;
    }
    io_.Put(kValuePath, whole);
  }
}

// Whole pages, whose last one ends with the footer; whoever reads the file otherwise than it was
// written finds the same.
TEST_P(ValueFileTest, IsReadDirectOrNotHoweverItWasWritten) {
  WriteSome(false);
  const std::string whole = io_.Contents(kValuePath);
  EXPECT_EQ(whole.size() % alignment_, 0u);
  EXPECT_LT(whole.size() - kHeaderBytes - kFooterBytes - entry_.record_bytes, alignment_);
  for (const size_t alignment : {size_t{1}, size_t{4096}}) {
    MemoryIo other(alignment);
    other.Put(kValuePath, whole);
    auto opened = Finish(OpenFile(other, IoSite::kValueRead, OpenMode::kRead, kValuePath));
    const auto told = Finish(ValueFile::ReadEntry(other, *opened.value(), 7));
    ASSERT_TRUE(told.ok()) << told.status().ToString();
    EXPECT_EQ(told->bytes, entry_.bytes);
    EXPECT_EQ(told->record_bytes, entry_.record_bytes);
    EXPECT_EQ(told->records, entry_.records);
    EXPECT_EQ(told->id, entry_.id);
    EXPECT_EQ(told->created_ns, entry_.created_ns);
    auto file =
        Finish(ValueFile::Open(other, std::move(opened).value(), told.value(), codec_by_id_));
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    for (const AddedValue& one : stored_) {
      const uint64_t before = other.Counters(IoSite::kValueRead).read_bytes;
      auto value = Finish(file.value()->Read(one.reference, one.key));
      ASSERT_TRUE(value.ok()) << value.status().ToString();
      EXPECT_EQ(value.value()->bytes(), one.value);
      EXPECT_EQ(other.Counters(IoSite::kValueRead).read_bytes - before,
                file.value()->ReadBytes(one.reference.offset, one.reference.size));
    }
    EXPECT_TRUE(Finish(file.value()->Verify()).ok());
  }
}

// Each end is intact; what lies between them is not what they say.
TEST_P(ValueFileTest, AFileOfAnotherLengthIsRefused) {
  WriteSome(false);
  std::string longer = io_.Contents(kValuePath);
  longer.insert(longer.size() - kFooterBytes, 4096, '\0');
  io_.Put(kValuePath, longer);
  auto file = Finish(OpenFile(io_, IoSite::kValueRead, OpenMode::kRead, kValuePath));
  EXPECT_TRUE(NamesPlace(Finish(ValueFile::ReadEntry(io_, *file.value(), 7)).status()));
  ValueFileEntry entry = entry_;
  entry.bytes += 4096;
  EXPECT_TRUE(NamesPlace(OpenAs(entry).status()));
}

TEST_P(ValueFileTest, OneReadBringsSeveralValues) {
  for (const bool compressed : {false, true}) {
    stored_.clear();
    io_.Remove(kValuePath);
    WriteSome(compressed);
    auto opened = OpenAs(entry_);
    ASSERT_TRUE(opened.ok());
    const ValueFile& file = *opened.value();
    const ValueReference first = stored_[2].reference;
    auto piece = Finish(file.ReadPiece(first, 1u << 20));
    ASSERT_TRUE(piece.ok()) << piece.status().ToString();
    EXPECT_EQ(piece.value()->size, kHeaderBytes + entry_.record_bytes - first.offset);
    for (size_t i = 2; i < stored_.size(); ++i) {
      auto found = file.Take(piece.value(), first.offset, stored_[i].reference, stored_[i].key);
      ASSERT_TRUE(found.ok()) << found.status().ToString();
      EXPECT_EQ(found->value, stored_[i].value);
    }
    const ValueReference next = stored_[3].reference;
    EXPECT_TRUE(NamesPlace(file.Take(piece.value(), first.offset, next, "key4").status()));
    ValueReference wrong = next;
    ++wrong.offset;
    EXPECT_TRUE(NamesPlace(file.Take(piece.value(), first.offset, wrong, "key3").status()));
    EXPECT_EQ(Finish(file.ReadPiece(first, 0)).value()->size, first.size);
    wrong.offset = entry_.bytes;
    EXPECT_TRUE(NamesPlace(Finish(file.ReadPiece(wrong, 0)).status()));
  }
}

TEST_P(ValueFileTest, AnotherFilesEntryIsRefused) {
  WriteSome(false);
  ValueFileEntry other = entry_;
  other.id.low = 5;
  EXPECT_TRUE(NamesPlace(OpenAs(other).status()));
  other = entry_;
  other.file = 8;
  EXPECT_TRUE(NamesPlace(OpenAs(other).status()));
  other = entry_;
  ++other.records;
  EXPECT_TRUE(NamesPlace(OpenAs(other).status()));
}

INSTANTIATE_TEST_SUITE_P(Alignments, ValueFileTest, testing::Values(size_t{1}, size_t{4096}));

}  // namespace
}  // namespace lsmlab::test
