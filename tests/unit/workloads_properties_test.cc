#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "workloads/shipped.h"
#include "workloads/ycsb/core_workload.h"
#include "workloads/ycsb/known_properties.h"
#include "workloads/ycsb/property_file.h"

namespace lsmlab::workloads {
namespace {

std::vector<Property> Parsed(std::string_view text) {
  auto parsed = ParseProperties(text, "f");
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  return parsed.ok() ? std::move(parsed).value() : std::vector<Property>();
}

Result<Settings> SettingsOf(std::string_view text, const Overrides& overrides = {}) {
  PropertyReader reader(Parsed(text), overrides);
  return ReadSettings(reader);
}

std::string ErrorOf(std::string_view text, const Overrides& overrides = {}) {
  const auto settings = SettingsOf(text, overrides);
  EXPECT_FALSE(settings.ok()) << text;
  return settings.status().ToString();
}

TEST(PropertyFile, UnderstandsEveryFormOfALine) {
  const auto p = Parsed(
      "# comment = 1\n  ! another\n\na=1\n b : 2 \r\nc\t3\rd = x y  \ne=one\\\n   two\nf\nkey\\ "
      "1=a\\tb\\\\\n# comment \\\ng==h");
  const std::pair<std::string, std::string> expected[] = {
      {"a", "1"},      {"b", "2"}, {"c", "3"},          {"d", "x y"},
      {"e", "onetwo"}, {"f", ""},  {"key 1", "a\tb\\"}, {"g", "=h"}};
  ASSERT_EQ(p.size(), std::size(expected));
  for (size_t i = 0; i < p.size(); ++i) {
    EXPECT_EQ(p[i].name, expected[i].first);
    EXPECT_EQ(p[i].value, expected[i].second);
  }
  EXPECT_EQ(p[0].where, "f:4");
  EXPECT_EQ(p[4].where, "f:8");
  EXPECT_EQ(p[5].where, "f:10");
}

TEST(PropertyFile, SurvivesOddEnds) {
  EXPECT_EQ(Parsed("a=1\\").at(0).value, "1");
  EXPECT_EQ(Parsed("a=1\\\\").at(0).value, "1\\");
  EXPECT_EQ(Parsed("a\\").at(0).name, "a");
  EXPECT_TRUE(Parsed("").empty());
  EXPECT_FALSE(ParseProperties("=x", "f").ok());
  EXPECT_FALSE(ParseProperties("a=\\u0041", "f").ok());
}

TEST(Settings, DefaultsAreYcsbs) {
  const auto s = SettingsOf("");
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(s.value().record_count, 2147483647u);
  EXPECT_EQ(s.value().insert_count, 2147483647u);
  EXPECT_EQ(s.value().weights[static_cast<size_t>(OpKind::kRead)], 0.95);
  EXPECT_EQ(s.value().weights[static_cast<size_t>(OpKind::kUpdate)], 0.05);
  EXPECT_EQ(s.value().request, RequestDistribution::kUniform);
  EXPECT_EQ(s.value().max_record_bytes(), 1010u);
  EXPECT_TRUE(s.value().read_all_fields);
  EXPECT_FALSE(s.value().write_all_fields);
  EXPECT_EQ(s.value().max_scan_length, 1000u);
}

TEST(Settings, OverridesWinAndMayBeLarge) {
  const auto s = SettingsOf("recordcount=10\nrecordcount=20\n",
                            {{"recordcount", "5"}, {"recordcount", "4611686018427387903"}});
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  EXPECT_EQ(s.value().record_count, 4611686018427387903u);
  EXPECT_EQ(SettingsOf("recordcount=10\nrecordcount=20\n").value().record_count, 20u);
}

TEST(Settings, MistakesNamePlaceValueAndWhatIsAllowed) {
  EXPECT_EQ(ErrorOf("\nrecordcuont=5"),
            "invalid argument: f:2: unknown property \"recordcuont\"; did you mean "
            "\"recordcount\"?");
  EXPECT_EQ(ErrorOf("fieldcount=1e3"),
            "invalid argument: f:1: fieldcount = \"1e3\"; allowed: a whole number from 1 to 65536");
  EXPECT_EQ(ErrorOf("", {{"lsmlab.readmissing", "1.5"}}),
            "invalid argument: -p: lsmlab.readmissing = \"1.5\"; allowed: a number from 0 to 1");
  EXPECT_EQ(ErrorOf("requestdistribution=zipf"),
            "invalid argument: f:1: requestdistribution = \"zipf\"; allowed: uniform, zipfian, "
            "latest, hotspot, exponential, sequential");
  EXPECT_EQ(ErrorOf("scanproportion=-0.1"),
            "invalid argument: f:1: scanproportion = \"-0.1\"; allowed: a number from 0 to 1e+09");
  EXPECT_EQ(ErrorOf("writeallfields=yes"),
            "invalid argument: f:1: writeallfields = \"yes\"; allowed: true or false");
  for (const char* bad : {"recordcount=-1",
                          "recordcount=99999999999999999999",
                          "recordcount=",
                          "recordcount=0x10",
                          "readproportion=nan",
                          "readproportion=inf",
                          "readproportion=-0.1",
                          "readproportion=0.5x",
                          "readproportion=0\nupdateproportion=0",
                          "lsmlab.zipfianconstant=1",
                          "minscanlength=2000",
                          "fieldlengthdistribution=uniform\nminfieldlength=101",
                          "insertstart=5\nrecordcount=5",
                          "recordcount=10\ninsertstart=5\ninsertcount=6",
                          "lsmlab.rawvalue=true",
                          "fieldlength=60000000",
                          "requestdistribution=latest\nrecordcount=1",
                          "requestdistribution=zipfian\ninsertproportion=0.1",
                          "lsmlab.compressibility=0.5",
                          "fieldlengthdistribution=histogram\nfieldlengthhistogram=no/such/file",
                          "lsmlab.keyformat=binary16\ninsertorder=ordered",
                          "zeropadding=5000"}) {
    EXPECT_NE(ErrorOf(bad).find("allowed"), std::string::npos) << bad;
  }
}

TEST(Settings, WhatIsNotBuiltIsRefusedNotIgnored) {
  EXPECT_EQ(SettingsOf("dataintegrity=true").status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(SettingsOf("workload=site.ycsb.workloads.TimeSeriesWorkload").status().code(),
            StatusCode::kNotSupported);
  EXPECT_TRUE(SettingsOf("workload=com.yahoo.ycsb.workloads.CoreWorkload").ok());
  EXPECT_TRUE(SettingsOf("workload=core").ok());
}

TEST(Settings, InfoListsDeviationsAndIgnoredOnes) {
  const auto workload = CoreWorkload::Make(
      Parsed(
          "recordcount=9\nmeasurementtype=raw\nhtrace.x=1\nlsmlab.update=blind\nscanproportion=1"),
      {{"table", "t"}}, "here");
  ASSERT_TRUE(workload.ok());
  const WorkloadInfo& info = workload.value()->info();
  EXPECT_EQ(info.ignored,
            (std::vector<std::string>{"htrace.x=1", "measurementtype=raw", "table=t"}));
  EXPECT_EQ(info.deviations, std::vector<std::string>{"lsmlab.update=blind"});
  EXPECT_EQ(info.update, UpdateMode::kBlind);
  EXPECT_EQ(info.source, "here");
  // Only scan was given: read and update keep their defaults.
  EXPECT_DOUBLE_EQ(info.mix[static_cast<size_t>(OpKind::kScan)], 0.5);
  EXPECT_DOUBLE_EQ(info.mix[static_cast<size_t>(OpKind::kRead)], 0.475);
  const std::pair<std::string, std::string> padding = {"zeropadding", "1"};
  EXPECT_EQ(std::count(info.settings.begin(), info.settings.end(), padding), 1);
}

TEST(Settings, AnOverrideIsNamedWithItsPlace) {
  const auto error = [](const Origins& origins) {
    const auto workload = OpenWorkload("workloads/ycsb/workloada", {{"fieldcount", "0"}}, origins);
    return std::string(workload.status().message());
  };
  EXPECT_TRUE(error({}).starts_with("-p: fieldcount = \"0\"; allowed: ")) << error({});
  EXPECT_TRUE(error({{"fieldcount", "e.toml:7"}}).starts_with("e.toml:7: fieldcount = \"0\""));
  EXPECT_TRUE(error({{"fieldlength", "e.toml:7"}}).starts_with("-p: fieldcount"));
}

TEST(PropertyFile, NoControlBytesReachAMessage) {
  const Status status = ParseProperties("=\x1b[2J" + std::string(5000, 'x'), "f").status();
  EXPECT_EQ(status.message().find('\x1b'), std::string::npos);
  EXPECT_LT(status.message().size(), 300u);
}

TEST(KnownProperties, NearestCountsAnExchangeAsOneEdit) {
  EXPECT_EQ(NearestProperty("tagret"), "target");
  EXPECT_EQ(NearestProperty("lsmlab.readmising"), "lsmlab.readmissing");
  EXPECT_EQ(NearestProperty("requestdistibution"), "requestdistribution");
  EXPECT_FALSE(NearestProperty(std::string(100'000, 'x')).empty());
}

TEST(Shipped, FilesOpenAndHaveTheStandardMixes) {
  EXPECT_EQ(ShippedWorkloads().size(), 6u);
  for (const ShippedWorkload& shipped : ShippedWorkloads()) {
    const auto workload = OpenWorkload(std::string(shipped.path), {});
    ASSERT_TRUE(workload.ok()) << workload.status().ToString();
    EXPECT_TRUE(workload.value()->info().deviations.empty());
    EXPECT_EQ(workload.value()->info().record_count, 1000u);
  }
  const auto e = OpenWorkload("workloads/ycsb/workloade", {});
  EXPECT_DOUBLE_EQ(e.value()->info().mix[static_cast<size_t>(OpKind::kScan)], 0.95);
  EXPECT_EQ(OpenWorkload("no/such/file", {}).status().code(), StatusCode::kIoError);
}

TEST(Shipped, FilesEqualYcsbsOwn) {
  const std::filesystem::path folder = "../shared/data/ycsb";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "YCSB's files are not here";
  for (const char* name :
       {"workloada", "workloadb", "workloadc", "workloadd", "workloade", "workloadf"}) {
    const auto theirs = ReadPropertyFile((folder / name).string());
    const auto ours = ReadPropertyFile(std::string("workloads/ycsb/") + name);
    ASSERT_TRUE(theirs.ok() && ours.ok());
    PropertyReader their_reader(theirs.value(), {}), our_reader(ours.value(), {});
    const auto their_settings = ReadSettings(their_reader), our_settings = ReadSettings(our_reader);
    ASSERT_TRUE(their_settings.ok()) << their_settings.status().ToString();
    ASSERT_TRUE(our_settings.ok());
    EXPECT_TRUE(their_settings.value() == our_settings.value()) << name;
  }
  const auto with_all_properties = OpenWorkload((folder / "workload_template").string(), {});
  EXPECT_TRUE(with_all_properties.ok()) << with_all_properties.status().ToString();
}

}  // namespace
}  // namespace lsmlab::workloads
