using System.Diagnostics;
using System.Globalization;

namespace S3dlio.Cli.Benches;

/// <summary>How busy this machine was between two moments, by the kernel's own counts.</summary>
sealed class Machine
{
    /// <summary>From this share of its time on a thing counts as what everything waits for.</summary>
    const double Busy = 0.85;

    readonly long _begun = Stopwatch.GetTimestamp();
    readonly TimeSpan _cpu = OwnCpu();
    readonly (double Busy, double All) _machine = Ticks();
    readonly Dictionary<string, long> _devices = Devices();

    static TimeSpan OwnCpu()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }

    /// <summary>Since it was made.</summary>
    public Load Now()
    {
        double seconds = Math.Max(1e-6, Stopwatch.GetElapsedTime(_begun).TotalSeconds);
        var (busy, all) = Ticks();
        string? device = null;
        double most = 0;
        foreach (var (name, milliseconds) in Devices())
        {
            double share = (milliseconds - _devices.GetValueOrDefault(name, milliseconds)) / 1000.0 / seconds;
            if (share > most)
                (device, most) = (name, Math.Min(1, share));
        }
        return new Load(seconds, (OwnCpu() - _cpu).TotalSeconds, Environment.ProcessorCount,
            all > _machine.All ? (busy - _machine.Busy) / (all - _machine.All) : 0, device, most);
    }

    /// <param name="Seconds">From begin to end.</param>
    /// <param name="Cpu">Seconds of CPU that this program took, in the kernel too.</param>
    /// <param name="Cores">That it may use.</param>
    /// <param name="MachineBusy">The share of all CPUs' time that was not idle.</param>
    /// <param name="Device">The block device that was busy most; null for none.</param>
    /// <param name="DeviceBusy">Its share of the time.</param>
    public sealed record Load(double Seconds, double Cpu, int Cores, double MachineBusy, string? Device, double DeviceBusy)
    {
        public double Share => Cpu / Seconds / Cores;

        /// <summary>What everything waited for, as far as this machine can know.</summary>
        /// <param name="isLocal">Whether the store is on this machine's devices.</param>
        public string Limit(bool isLocal) =>
            MachineBusy >= Busy && Share >= MachineBusy / 2 ? "the CPU, which this program used"
            : MachineBusy >= Busy ? "the CPU, which other programs used (a server on this machine?)"
            : isLocal && DeviceBusy >= Busy ? $"the device {Device}"
            : isLocal ? "latency: neither the CPU nor a device was busy all the time; more --jobs may help"
            : "the server or the network: this machine's CPU was not busy all the time; more --jobs may help";
    }

    static (double Busy, double All) Ticks()
    {
        // cpu user nice system idle iowait irq softirq steal …
        var counts = Read("/proc/stat").FirstOrDefault()?.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(static text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray() ?? [];
        return counts.Length < 8 ? (0, 0) : (counts.Sum() - counts[3] - counts[4], counts.Sum());
    }

    /// <summary>Milliseconds in which each device had something to do.</summary>
    static Dictionary<string, long> Devices()
    {
        var devices = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string line in Read("/proc/diskstats"))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length > 12 && long.TryParse(fields[12], CultureInfo.InvariantCulture, out long milliseconds))
                devices[fields[2]] = milliseconds;
        }
        return devices;
    }

    static string[] Read(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
