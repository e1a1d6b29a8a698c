#include "engine/parts/settings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lsmlab {
namespace {

SettingSpec Spec(SettingType type, double min = 0, double max = 0, std::string_view choices = "") {
  return SettingSpec{"x", type, "", min, max, choices, ""};
}

template <typename T>
void Accepts(const SettingSpec& spec, std::string_view text, const T& expected) {
  Result<SettingValue> value = ParseSetting(spec, text);
  ASSERT_TRUE(value.ok()) << text << ": " << value.status().ToString();
  EXPECT_EQ(std::get<T>(value.value()), expected) << text;
}

void Refuses(const SettingSpec& spec, std::string_view text) {
  Result<SettingValue> value = ParseSetting(spec, text);
  ASSERT_FALSE(value.ok()) << "\"" << text << "\" was accepted";
  EXPECT_EQ(value.status().code(), StatusCode::kInvalidArgument);
}

TEST(Settings, Numbers) {
  const SettingSpec spec = Spec(SettingType::kInteger, -5, 100);
  Accepts<int64_t>(spec, "100", 100);
  Accepts<int64_t>(spec, "-5", -5);
  Accepts<int64_t>(spec, "0", 0);
  for (const char* bad : {"", " 1", "1 ", "101", "-6", "0x10", "1e2", "1.0", "10kx", "+1", "-0",
                          "99999999999999999999", "nan"}) {
    Refuses(spec, bad);
  }
  Accepts<int64_t>(Spec(SettingType::kInteger), "9223372036854775807", INT64_MAX);
}

TEST(Settings, Bytes) {
  const SettingSpec spec = Spec(SettingType::kBytes, 0, 8e18);
  Accepts<int64_t>(spec, "64MiB", 64 << 20);
  Accepts<int64_t>(spec, "512KiB", 512 << 10);
  Accepts<int64_t>(spec, "1GiB", 1 << 30);
  Accepts<int64_t>(spec, "2TiB", int64_t{2} << 40);
  Accepts<int64_t>(spec, "17", 17);
  Accepts<int64_t>(spec, "17B", 17);
  for (const char* bad :
       {"", "MiB", "64MB", "64 MiB", "64mib", "1.5GiB", "-1KiB", "99999999TiB", "64MiB0", "inf"}) {
    Refuses(spec, bad);
  }
  Refuses(Spec(SettingType::kBytes, 4096, 1 << 20), "2MiB");
}

TEST(Settings, Durations) {
  const SettingSpec spec = Spec(SettingType::kDuration, 0, 1e12);
  Accepts<int64_t>(spec, "10ms", 10'000'000);
  Accepts<int64_t>(spec, "1s", 1'000'000'000);
  Accepts<int64_t>(spec, "500us", 500'000);
  Accepts<int64_t>(spec, "7ns", 7);
  Accepts<int64_t>(spec, "0", 0);
  for (const char* bad : {"", "10", "10m", "10sec", "s", "-1s", "1 s", "10000s", "1e3s"}) {
    Refuses(spec, bad);
  }
}

TEST(Settings, Reals) {
  const SettingSpec spec = Spec(SettingType::kReal, 0, 1.5);
  Accepts<double>(spec, "0.5", 0.5);
  Accepts<double>(spec, "1.5", 1.5);
  Accepts<double>(spec, "1e-3", 1e-3);
  for (const char* bad : {"", "1.6", "-0.1", "nan", "inf", "-inf", "1,5", "0x1", "1e400", "0.5x"}) {
    Refuses(spec, bad);
  }
  Refuses(Spec(SettingType::kReal), "nan");
  Refuses(Spec(SettingType::kReal), "infinity");
}

TEST(Settings, BoolsAndChoices) {
  Accepts<bool>(Spec(SettingType::kBool), "true", true);
  Accepts<bool>(Spec(SettingType::kBool), "false", false);
  Refuses(Spec(SettingType::kBool), "1");
  const SettingSpec spec = Spec(SettingType::kChoice, 0, 0, "none|lz4|zstd");
  Accepts<std::string>(spec, "none", "none");
  Accepts<std::string>(spec, "zstd", "zstd");
  for (const char* bad : {"", "lz", "lz44", "none|lz4", "|", "LZ4"}) Refuses(spec, bad);
}

TEST(Settings, Lists) {
  const SettingSpec reals = Spec(SettingType::kRealList, 0, 20);
  Accepts(reals, "10,5.5,0", std::vector<double>{10, 5.5, 0});
  Accepts(reals, "3", std::vector<double>{3});
  for (const char* bad : {"", ",", "1,", ",1", "1,,2", "1,nan", "1,21"}) Refuses(reals, bad);
  const SettingSpec choices = Spec(SettingType::kChoiceList, 0, 0, "none|lz4");
  Accepts(choices, "none,none,lz4", std::vector<std::string>{"none", "none", "lz4"});
  for (const char* bad : {"none,", "none,zstd"}) Refuses(choices, bad);
  // An empty list is allowed exactly where it is the default.
  Accepts<std::vector<std::string>>(choices, "", {});
  SettingSpec filled = choices;
  filled.default_value = "none";
  Refuses(filled, "");
  std::string endless = "1";
  for (int i = 0; i < 1000; ++i) endless += ",1";
  Refuses(reals, endless);
}

TEST(Settings, ErrorSaysValueRangeAndUnit) {
  const Status bytes = ParseSetting(Spec(SettingType::kBytes, 4096, 64 << 20), "70MiB").status();
  EXPECT_EQ(bytes.message(),
            "\"70MiB\" is not allowed; allowed is a size from 4KiB to 64MiB, written as a number "
            "of bytes or with KiB, MiB, GiB or TiB");
  const Status choice = ParseSetting(Spec(SettingType::kChoice, 0, 0, "a|b"), "c").status();
  EXPECT_EQ(choice.message(), "\"c\" is not allowed; allowed is one of a|b");
  const Status hostile =
      ParseSetting(Spec(SettingType::kBool), std::string(1000, '\n') + "\x1b[31m").status();
  EXPECT_LT(hostile.message().size(), 150u);
  for (char c : hostile.message()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(Settings, FormatIsTheInverse) {
  const struct {
    SettingSpec spec;
    const char* text;
  } rows[] = {
      {Spec(SettingType::kBool), "true"},
      {Spec(SettingType::kInteger), "-12"},
      {Spec(SettingType::kBytes), "64MiB"},
      {Spec(SettingType::kBytes), "4097B"},
      {Spec(SettingType::kBytes), "0B"},
      {Spec(SettingType::kDuration), "1500us"},
      {Spec(SettingType::kDuration), "2s"},
      {Spec(SettingType::kReal), "0.1"},
      {Spec(SettingType::kRealList), "10,0.5"},
      {Spec(SettingType::kChoice, 0, 0, "a|b"), "b"},
      {Spec(SettingType::kChoiceList, 0, 0, "a|b"), "b,a,a"},
  };
  for (const auto& row : rows) {
    Result<SettingValue> value = ParseSetting(row.spec, row.text);
    ASSERT_TRUE(value.ok()) << row.text;
    EXPECT_EQ(FormatSetting(row.spec, value.value()), row.text);
  }
}

TEST(Settings, Defaults) {
  const SettingSpec specs[] = {
      {"size", SettingType::kBytes, "64MiB", 1, 1e12, "", ""},
      {"interval", SettingType::kDuration, "10ms", 0, 1e12, "", ""},
  };
  const SettingBag bag = DefaultSettings(specs);
  EXPECT_EQ(bag.Bytes("size"), uint64_t{64} << 20);
  EXPECT_EQ(bag.Nanos("interval"), 10'000'000);
  EXPECT_FALSE(bag.Has("other"));
}

}  // namespace
}  // namespace lsmlab
