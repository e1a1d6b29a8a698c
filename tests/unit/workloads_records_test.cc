#include <gtest/gtest.h>
#include <lz4.h>

#include <set>

#include "workloads/ycsb/key_format.h"
#include "workloads/ycsb/record.h"
#include "workloads/ycsb/value_pool.h"

namespace lsmlab::workloads {
namespace {

Settings Make(const Overrides& properties) {
  PropertyReader reader({}, properties);
  auto settings = ReadSettings(reader);
  EXPECT_TRUE(settings.ok()) << settings.status().ToString();
  return std::move(settings).value();
}

std::vector<std::string> FieldsOf(Slice record) {
  std::vector<std::string> fields;
  FieldCursor cursor(record);
  for (Slice field; cursor.Next(&field);) fields.emplace_back(field);
  EXPECT_TRUE(cursor.ok());
  return fields;
}

TEST(Record, EncodesAndIterates) {
  const std::string large(300, 'x');
  const Slice fields[] = {"one", "", large};
  std::string record = "stale";
  EncodeRecord(fields, &record);
  EXPECT_EQ(record.size(), 4 + 1 + 302u);
  EXPECT_EQ(FieldsOf(record), (std::vector<std::string>{"one", "", large}));
  EXPECT_EQ(FieldOf(record, 2).value(), large);
  EXPECT_TRUE(FieldsOf("").empty());
}

TEST(Record, ReplacesAFieldByAnotherLength) {
  const Slice fields[] = {"one", "two", "three"};
  std::string record, out;
  EncodeRecord(fields, &record);
  for (const std::string& bytes : {std::string("TWO"), std::string(), std::string(1000, 'y')}) {
    ASSERT_TRUE(ReplaceField(record, 1, bytes, &out).ok());
    EXPECT_EQ(FieldsOf(out), (std::vector<std::string>{"one", bytes, "three"}));
  }
  ASSERT_TRUE(ReplaceField(record, 0, "0", &out).ok());
  ASSERT_TRUE(ReplaceField(record, 2, "2", &out).ok());
  EXPECT_EQ(FieldsOf(out), (std::vector<std::string>{"one", "two", "2"}));
  EXPECT_EQ(ReplaceField(record, 3, "x", &out).code(), StatusCode::kInvalidArgument);
}

TEST(Record, DamageIsAnError) {
  std::string out;
  for (const Slice bad : {Slice("\x05"
                                "abc",
                                4),
                          Slice("\x80", 1), Slice("\x80\x00", 2),
                          Slice("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10)}) {
    EXPECT_TRUE(FieldOf(bad, 0).status().IsCorruption());
    EXPECT_TRUE(ReplaceField(bad, 0, "x", &out).IsCorruption());
  }
  EXPECT_TRUE(FieldOf(Slice("\x01"
                            "a"
                            "\x09"
                            "b",
                            4),
                      1)
                  .status()
                  .IsCorruption());
}

TEST(Keys, AreYcsbs) {
  KeyFormat hashed(Make({}));
  EXPECT_EQ(hashed.Key(0), "user6284781860667377211");
  EXPECT_EQ(hashed.Key(1), "user8517097267634966620");
  KeyFormat cpp(Make({{"lsmlab.keyhash", "ycsb-cpp"}}));
  EXPECT_EQ(cpp.Key(0), "user12161962213042174405");
  KeyFormat go(Make({{"lsmlab.keyhash", "go-ycsb"}}));
  EXPECT_EQ(go.Key(2), "user6284784059690633633");
  KeyFormat ordered(Make({{"insertorder", "ordered"}}));
  EXPECT_EQ(ordered.Key(0), "user0");
  EXPECT_EQ(ordered.Key(1234567), "user1234567");
  KeyFormat padded(Make({{"insertorder", "ordered"}, {"zeropadding", "10"}}));
  EXPECT_EQ(padded.Key(42), "user0000000042");
  KeyFormat wide(Make({{"insertorder", "ordered"}, {"zeropadding", "25"}}));
  EXPECT_EQ(wide.Key(UINT64_MAX), "user0000018446744073709551615");
  EXPECT_EQ(wide.Key(7), "user0000000000000000000000007");
}

TEST(Keys, DecimalTextIsRightForEveryLength) {
  KeyFormat ordered(Make({{"insertorder", "ordered"}}));
  Random random(1);
  uint64_t power = 1;
  for (int digits = 1; digits <= 20; ++digits) {
    for (const uint64_t number : {power - 1, power, power + 1, power + random.Below(power)}) {
      EXPECT_EQ(ordered.Key(number), "user" + std::to_string(number));
    }
    if (digits < 20) power *= 10;
  }
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t number = random.Next() >> random.Below(64);
    ASSERT_EQ(ordered.Key(number), "user" + std::to_string(number));
  }
}

TEST(Keys, HashedOnesAreMostly23Bytes) {
  KeyFormat hashed(Make({}));
  int with_23 = 0, with_22 = 0;
  constexpr int kKeys = 200'000;
  for (int i = 0; i < kKeys; ++i) {
    const size_t size = hashed.Key(static_cast<uint64_t>(i)).size();
    with_23 += size == 23;
    with_22 += size == 22;
  }
  EXPECT_NEAR(static_cast<double>(with_23) / kKeys, 0.892, 0.005);
  EXPECT_NEAR(static_cast<double>(with_22) / kKeys, 0.097, 0.005);
}

TEST(Keys, MissingOnesNeverExistAndLookAlike) {
  const Overrides formats[] = {{},
                               {{"insertorder", "ordered"}, {"zeropadding", "12"}},
                               {{"lsmlab.keyhash", "ycsb-cpp"}},
                               {{"lsmlab.keyformat", "binary16"}}};
  for (const Overrides& format : formats) {
    KeyFormat keys(Make(format));
    std::set<std::string> existing;
    for (uint64_t i = 0; i < 20'000; ++i) existing.emplace(keys.Key(i));
    EXPECT_EQ(existing.size(), 20'000u);
    std::set<size_t> lengths;
    for (const std::string& key : existing) lengths.insert(key.size());
    int inside = 0;
    for (uint64_t i = 0; i < 20'000; ++i) {
      const std::string missing(keys.MissingKey(i));
      EXPECT_FALSE(existing.contains(missing));
      EXPECT_EQ(missing, keys.MissingKey(i));
      inside += lengths.contains(missing.size()) && missing > *existing.begin() &&
                missing < *existing.rbegin();
    }
    EXPECT_GT(inside, 19'900);
    EXPECT_EQ(keys.Key(5), *existing.find(std::string(keys.Key(5))));  // No trace is left behind.
  }
}

TEST(Keys, Binary16IsSixteenBytesInNoOrder) {
  KeyFormat keys(Make({{"lsmlab.keyformat", "binary16"}}));
  int rising = 0;
  std::string last;
  for (uint64_t i = 0; i < 10'000; ++i) {
    const std::string key(keys.Key(i));
    ASSERT_EQ(key.size(), 16u);
    rising += key > last;
    last = key;
  }
  EXPECT_NEAR(rising, 5000, 300);
}

TEST(Values, HaveTheFormOfTheSettings) {
  const Overrides forms[] = {{},
                             {{"fieldcount", "3"}, {"fieldlength", "0"}},
                             {{"fieldcount", "1"}, {"fieldlength", "200000"}},
                             {{"fieldlengthdistribution", "uniform"}, {"minfieldlength", "20"}},
                             {{"fieldlengthdistribution", "zipfian"}, {"minfieldlength", "20"}}};
  for (const Overrides& form : forms) {
    const Settings settings = Make(form);
    const ValuePool pool(settings);
    ValueSource values(settings, pool, 3);
    const bool constant = settings.field_length_distribution == LengthDistribution::kConstant;
    uint64_t token, shortest = UINT64_MAX, longest = 0;
    for (int i = 0; i < 300; ++i) {
      const Slice record = values.Record(&token);
      EXPECT_LE(record.size(), settings.max_record_bytes());
      const auto fields = FieldsOf(record);
      ASSERT_EQ(fields.size(), settings.field_count);
      for (const std::string& field : fields) {
        shortest = std::min<uint64_t>(shortest, field.size());
        longest = std::max<uint64_t>(longest, field.size());
      }
      const Slice field = values.Field(&token);
      shortest = std::min<uint64_t>(shortest, field.size());
      longest = std::max<uint64_t>(longest, field.size());
    }
    EXPECT_EQ(shortest, constant ? settings.field_length : 20);
    EXPECT_EQ(longest, settings.field_length);
  }
}

TEST(Values, RawOnesAreBare) {
  const Settings settings =
      Make({{"fieldcount", "1"}, {"fieldlength", "100"}, {"lsmlab.rawvalue", "true"}});
  const ValuePool pool(settings);
  ValueSource values(settings, pool, 3);
  uint64_t token;
  EXPECT_EQ(values.Record(&token).size(), 100u);
  EXPECT_EQ(settings.max_record_bytes(), 100u);
}

// Original over compressed bytes of 4 KiB chunks of consecutive values.
double Lz4Ratio(const Overrides& properties) {
  const Settings settings = Make(properties);
  const ValuePool pool(settings);
  ValueSource values(settings, pool, 4);
  double original = 0, compressed = 0;
  std::string chunk, out(LZ4_compressBound(1 << 20), '\0');
  for (int i = 0; i < 100; ++i) {
    uint64_t token;
    chunk.clear();
    while (chunk.size() < 4096) chunk.append(values.Record(&token));
    chunk.resize(4096);
    original += static_cast<double>(chunk.size());
    compressed += LZ4_compress_default(chunk.data(), out.data(), static_cast<int>(chunk.size()),
                                       static_cast<int>(out.size()));
  }
  return original / compressed;
}

TEST(Values, CompressAsAskedFor) {
  for (const double aim : {1.0, 1.3, 2.0, 3.0, 5.0, 10.0}) {
    const std::pair<std::string, std::string> ratio = {"lsmlab.compressibility",
                                                       std::to_string(aim)};
    EXPECT_NEAR(Lz4Ratio({ratio}) / aim, 1, 0.15) << aim;
    EXPECT_NEAR(
        Lz4Ratio(
            {ratio, {"fieldcount", "1"}, {"fieldlength", "100"}, {"lsmlab.rawvalue", "true"}}) /
            aim,
        1, 0.15)
        << aim;
    EXPECT_NEAR(Lz4Ratio({ratio, {"fieldcount", "1"}, {"fieldlength", "1000"}}) / aim, 1, 0.15)
        << aim;
  }
  EXPECT_NEAR(Lz4Ratio({}), 1, 0.02);
}

}  // namespace
}  // namespace lsmlab::workloads
