#include "harness/record/provenance.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "engine/base/shown.h"
#include "lsmlab_revision.h"
#include "variants/plugin_loader.h"

namespace lsmlab::harness {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

// Of a line in which the choice made stands in brackets, "always [madvise] never", that choice.
std::string Chosen(const std::string& line) {
  const size_t open = line.find('['), close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return line;
  return line.substr(open + 1, close - open - 1);
}

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) {
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return {};
}

// By the number that the kernel gives for it: all that is known where the mount is out of sight, as
// below a changed root.
std::string FilesystemByMagic(const std::string& directory) {
  struct statfs info;
  if (::statfs(directory.c_str(), &info) != 0) return {};
  switch (info.f_type) {
    case EXT4_SUPER_MAGIC:
      return "ext2, ext3 or ext4";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay";
    default:
      return "type " + std::to_string(info.f_type);
  }
}

struct Mount {
  std::string type, options;
};

// Without those that name paths (the layers of an overlay), which say nothing about speed.
std::string WithoutPaths(const std::string& options) {
  std::istringstream all(options);
  std::string kept;
  for (std::string option; std::getline(all, option, ',');) {
    if (option.find('/') != std::string::npos) continue;
    kept += (kept.empty() ? "" : ",") + option;
  }
  return kept;
}

// The mount with the longest path that `directory` lies in.
Mount FindMount(const std::string& directory) {
  std::error_code error;
  const std::string where = fs::weakly_canonical(directory, error).string();
  std::ifstream mounts("/proc/self/mounts");
  Mount found;
  size_t best = 0;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, point, type, options;
    if (!(fields >> device >> point >> type >> options)) continue;
    const bool inside =
        where.rfind(point, 0) == 0 &&
        (point == "/" || where.size() == point.size() || where[point.size()] == '/');
    if (inside && point.size() >= best) {
      best = point.size();
      found = {type, WithoutPaths(options)};
    }
  }
  if (found.type.empty()) found.type = FilesystemByMagic(where);
  return found;
}

// The block device of `directory` below /sys, following a partition to its disk.
fs::path BlockDevice(const std::string& directory) {
  struct stat info;
  if (::stat(directory.c_str(), &info) != 0) return {};
  const std::string number =
      std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev));
  std::error_code error;
  fs::path device = fs::canonical("/sys/dev/block/" + number, error);
  if (error) return {};
  if (!fs::exists(device / "queue", error)) device = device.parent_path();
  return device;
}

std::string DiskName(const fs::path& device) {
  if (device.empty()) return {};
  const std::string model = FirstLine(device / "device" / "model");
  const std::string kind = FirstLine(device / "queue" / "rotational") == "1" ? "rotating" : "solid";
  return device.filename().string() + (model.empty() ? "" : " " + model) + " (" + kind + ")";
}

}  // namespace

Provenance FindProvenance(const std::string& directory) {
  Provenance p;
  p.revision = LSMLAB_REVISION;
  p.dirty = LSMLAB_DIRTY;
  p.compiler = "gcc " __VERSION__;
  p.flags = LSMLAB_BUILD_FLAGS;
  p.build_type = LSMLAB_BUILD_TYPE;
  p.sanitizer = LSMLAB_BUILD_SANITIZER;
  for (const LoadedPlugin& loaded : LoadedPlugins()) {
    p.plugins.push_back(loaded.path + " " + loaded.hash);
  }
  p.cpu = CpuModel();
  p.cores = static_cast<uint64_t>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 0L));
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) p.memory_bytes = static_cast<uint64_t>(pages) * page;
  utsname system{};
  if (uname(&system) == 0) p.kernel = std::string(system.sysname) + " " + system.release;
  p.cpu_governor = FirstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  p.huge_pages = Chosen(FirstLine("/sys/kernel/mm/transparent_hugepage/enabled"));
  const Mount mount = FindMount(directory);
  p.filesystem = mount.type;
  p.mount_options = mount.options;
  const fs::path device = BlockDevice(directory);
  p.disk = DiskName(device);
  if (!device.empty()) {
    p.io_scheduler = Chosen(FirstLine(device / "queue" / "scheduler"));
    p.write_cache = FirstLine(device / "queue" / "write_cache");
  }
  return p;
}

std::string BuildDifference(const Provenance& recorded, const Provenance& here) {
  const auto revision = [](const Provenance& p) {
    return p.revision + (p.dirty ? " with changes" : "");
  };
  const auto plugins = [](const Provenance& p) {
    std::string all;
    for (const std::string& plugin : p.plugins) all += (all.empty() ? "" : ", ") + plugin;
    return all;
  };
  std::string difference;
  const auto compare = [&](const char* what, const std::string& then, const std::string& now) {
    if (then == now) return;
    if (!difference.empty()) difference += "; ";
    const auto shown = [](const std::string& s) { return s.empty() ? "none" : Shown(s); };
    difference += std::string(what) + " " + shown(then) + ", here " + shown(now);
  };
  compare("revision", revision(recorded), revision(here));
  compare("compiler", recorded.compiler, here.compiler);
  compare("flags", recorded.flags, here.flags);
  compare("build type", recorded.build_type, here.build_type);
  compare("sanitizer", recorded.sanitizer, here.sanitizer);
  compare("plugins", plugins(recorded), plugins(here));
  return difference;
}

std::string UtcTimestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

uint64_t FreeDiskBytes(const std::string& directory) {
  struct statvfs info;
  if (::statvfs(directory.c_str(), &info) != 0) return 0;
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace lsmlab::harness
