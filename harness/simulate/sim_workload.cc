#include "harness/simulate/sim_workload.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/base/real_text.h"
#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

struct SizeUnit {
  std::string_view suffix;
  double bytes;
};
constexpr std::array<SizeUnit, 12> kSizeUnits = {{{"B", 1},
                                                  {"KB", 1e3},
                                                  {"MB", 1e6},
                                                  {"GB", 1e9},
                                                  {"TB", 1e12},
                                                  {"PB", 1e15},
                                                  {"KiB", 0x1p10},
                                                  {"MiB", 0x1p20},
                                                  {"GiB", 0x1p30},
                                                  {"TiB", 0x1p40},
                                                  {"PiB", 0x1p50},
                                                  {"", 1}}};

Status Refuse(std::string_view option, std::string_view text, const std::string& allowed) {
  return Status::InvalidArgument(std::string(option) + ": '" + Shown(text) +
                                 "' is not allowed; allowed is " + allowed);
}

// A finite number at the front of `text`, which is cut off; false: there is none.
bool TakeNumber(std::string_view* text, double* value) {
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), *value);
  if (parsed.ec != std::errc() || !std::isfinite(*value)) return false;
  text->remove_prefix(static_cast<size_t>(parsed.ptr - text->data()));
  return true;
}

std::string Scaled(double value, double base, const std::array<const char*, 6>& units) {
  size_t unit = 0;
  while (value >= base && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  char text[32];
  const int digits = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f%s", digits, value, units[unit]);
  return text;
}

}  // namespace

Result<double> ParseSize(std::string_view option, std::string_view text, double min, double max) {
  std::string_view rest = text;
  double value = 0;
  if (TakeNumber(&rest, &value)) {
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    for (const SizeUnit& unit : kSizeUnits) {
      if (rest != unit.suffix) continue;
      value *= unit.bytes;
      if (value >= min && value < max) return value;
      break;
    }
  }
  return Refuse(option, text,
                "a size from " + SizeText(min) + " to below " + SizeText(max) +
                    ", written as bytes or with KB to PB (1000) or KiB to PiB (1024)");
}

Result<double> ParseNumber(std::string_view option, std::string_view text, double min, double max) {
  std::string_view rest = text;
  double value = 0;
  if (TakeNumber(&rest, &value) && rest.empty() && value >= min && value <= max) return value;
  return Refuse(option, text, "a number from " + RealText(min) + " to " + RealText(max));
}

Status ParseDistribution(std::string_view option, std::string_view text, SimWorkload* workload) {
  if (text == "uniform") {
    workload->order = SimWorkload::Order::kUniform;
    return {};
  }
  if (text == "sequential") {
    workload->order = SimWorkload::Order::kSequential;
    return {};
  }
  for (const bool scrambled : {false, true}) {
    const std::string_view name = scrambled ? "scrambled:" : "zipfian:";
    if (!text.starts_with(name)) continue;
    const Result<double> theta = ParseNumber(std::string(option) + " " + std::string(name),
                                             text.substr(name.size()), 0.01, 3);
    if (!theta.ok()) return theta.status();
    workload->order = scrambled ? SimWorkload::Order::kScrambled : SimWorkload::Order::kZipfian;
    workload->theta = theta.value();
    return {};
  }
  return Refuse(option, text,
                "uniform, sequential, zipfian:THETA or scrambled:THETA, as zipfian:0.99");
}

std::string SizeText(double bytes) {
  return Scaled(bytes, 1024, {" B", " KiB", " MiB", " GiB", " TiB", " PiB"});
}

std::string CountText(double count) { return Scaled(count, 1000, {"", "k", "M", "G", "T", "P"}); }

}  // namespace lsmlab::harness
