using System.Globalization;
using S3dlio.Cache;
using S3dlio.Http;
using S3dlio.Storage;
using S3dlio.Storage.Multi;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Storage.Remote.S3;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>
/// docs/configuration.md lists the options that the code knows, no more and no fewer, with the defaults that the code has.
/// </summary>
public class ConfigurationTableTests
{
    static readonly string Text = File.ReadAllText(Path.Combine(Root(), "docs/configuration.md"));

    static string Root([System.Runtime.CompilerServices.CallerFilePath] string path = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "../../.."));

    /// <summary>The rows of a section's tables of options, by name.</summary>
    static Dictionary<string, string[]> Rows(string section)
    {
        string body = Text.Split("\n## ").Single(part => part.StartsWith(section + "\n", StringComparison.Ordinal));
        return body.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Trim('|', ' ').Split('|').Select(cell => cell.Trim()).ToArray())
            .ToDictionary(cells => cells[0].Trim('`'), StringComparer.Ordinal);
    }

    [Fact]
    public void Sections_NameTheOptionsThatTheCodeKnows()
    {
        string[] local = ["durable", "direct_fallback"];
        Assert.Equal(local.Order(), Rows("Every store").Keys.Order());
        Assert.Equal(RemoteOptions.Names.Order(), Rows("S3 and Azure: network, retries and memory").Keys.Order());
        Assert.Equal(S3Options.Names.Except(RemoteOptions.Names).Order(), Rows("S3").Keys.Order());
        Assert.Equal(AzureOptions.Names.Except(RemoteOptions.Names).Order(), Rows("Azure").Keys.Order());
        Assert.Equal(MultiOptions.Names.Order(), Rows("Several endpoints").Keys.Order());
        Assert.Equal(BackendOptions.CacheNames.Order(), Rows("A cache").Keys.Order());
        string[] listed = [.. local, .. BackendOptions.CacheNames, .. RemoteOptions.Names, .. S3Options.Names, .. AzureOptions.Names,
            .. MultiOptions.Names];
        Assert.Empty(BackendOptions.All.Except(listed));
    }

    [Fact]
    public void Rows_EachHasATypeADefaultAndAReason()
    {
        foreach (string section in (
                string[])["Every store", "S3 and Azure: network, retries and memory", "S3", "Azure", "A cache", "Several endpoints"])
        {
            foreach (var (name, cells) in Rows(section))
            {
                Assert.True(cells.Length == 5, $"{section}: {name} has {cells.Length} cells");
                Assert.True(cells[1].Length > 0 && cells[2].Length > 0, $"{section}: {name} has no type or default");
                Assert.True(cells[4].Length > 0, $"{section}: {name} has no reason");
            }
        }
    }

    [Fact]
    public void Defaults_AreTheCodesOwn()
    {
        var http = new RemoteOptions();
        var network = Rows("S3 and Azure: network, retries and memory");
        var s3 = new S3Options();
        var several = new MultiOptions();
        var cache = new CacheOptions { Directory = "/" };
        (Dictionary<string, string[]> Section, string Name, object Value)[] defaults =
        [
            (network, "part_size", http.PartSize), (network, "max_in_flight", http.MaxInFlight),
                (network, "memory_limit", http.MemoryLimit),
            (network, "max_attempts", http.Retry.MaxAttempts), (network, "connect_timeout", http.Settings.ConnectTimeout.TotalSeconds),
            (network, "read_timeout", http.Settings.ReadTimeout.TotalSeconds),
            (network, "total_timeout", http.Retry.TotalTimeout.TotalSeconds),
            (network, "verify_tls", http.Settings.VerifyTls),
            (Rows("Every store"), "durable", StoreOptions.Default.Durable),
            (Rows("Every store"), "direct_fallback", StoreOptions.Default.DirectFallback),
            (Rows("S3"), "anonymous", s3.Anonymous), (Rows("S3"), "addressing_style", s3.Addressing),
            (Rows("S3"), "requester_pays", s3.RequesterPays),
            (Rows("S3"), "checksum", s3.Checksum), (Rows("S3"), "list_concurrency", s3.ListConcurrency),
            (Rows("Azure"), "emulator", new AzureOptions().Emulator), (Rows("Azure"), "transfer_check", new AzureOptions().TransferCheck),
            (Rows("Azure"), "delete_snapshots", new AzureOptions().DeleteSnapshots),
            (Rows("A cache"), "cache_ttl", cache.Ttl.TotalSeconds), (Rows("A cache"), "cache_block_size", cache.BlockSize),
            (Rows("A cache"), "cache_mode", cache.Mode), (Rows("A cache"), "cache_validate", cache.Validate),
            (Rows("Several endpoints"), "replicas", several.Replicas),
            (Rows("Several endpoints"), "endpoint_cooldown", several.Cooldown.TotalSeconds),
        ];
        foreach (var (section, name, value) in defaults)
            Assert.Equal($"`{Convert.ToString(value, CultureInfo.InvariantCulture)!.ToLowerInvariant()}`", section[name][2]);
        Assert.Equal(EndpointStrategy.RoundRobin, several.Strategy);
        Assert.Contains(
            $"{RetryBudget.DefaultCapacity} tokens; a retry costs {RetryBudget.RetryCost}, after a timeout {RetryBudget.TimeoutCost}", Text,
            StringComparison.Ordinal);
        Assert.Contains($"{http.Retry.MaxDelay.TotalSeconds} s, `Retry-After` included", Text, StringComparison.Ordinal);
    }
}
