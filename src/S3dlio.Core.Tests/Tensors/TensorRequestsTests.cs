using System.Globalization;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Tests.Http;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Tensors;

/// <summary>How many requests a tensor file takes on a cloud: the header is not worth one of its own.</summary>
public class TensorRequestsTests
{
    static readonly CancellationToken None = CancellationToken.None;

    sealed class NoProgress : ITransferProgress
    {
        public void Begin(long total) { }

        public void Report(long value) { }
    }

    static async Task<byte[]> SafetensorsFile(int tensors, int length)
    {
        var store = StoreFactory.Open(StoreUri.Parse("memory://requests/"), StoreOptions.Parse("{}", "memory://requests/"));
        var specs = Enumerable.Range(0, tensors).Select(i => new TensorSpec($"t{i:d3}", DType.U8, [length])).ToArray();
        var data = Enumerable.Range(
            0, tensors).Select(i => LargeMemory.From((ReadOnlyMemory<byte>)Enumerable.Repeat((byte)i, length).ToArray())).ToArray();
        await SafetensorsObject.SaveAsync(store, "x", specs, data, null, true, null, PutOptions.Default, new NoProgress(), None);
        await using var reader = await store.OpenReadAsync("x", ReadOptions.Default, None);
        var file = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, file, None);
        return file;
    }

    static (ScriptedServer Server, ObjectStore Store) Serve(string scheme, byte[] file)
    {
        var server = new ScriptedServer(
            exchange => scheme == "s3"
                ? exchange.Serve(file, "\"v1\"")
                : ServeBlob(exchange, file));
        return scheme == "s3"
            ? (server, Open(
                    "s3://bucket/", $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"secret","region":"r1"}"""))
            : (server, Open("az://acct/box/", $$"""{"endpoint_url":"{{server.Url}}/acct","account_key":"YS1zZWNyZXQ="}"""));
    }

    static ObjectStore Open(string root, string options) => StoreFactory.Open(StoreUri.Parse(root), StoreOptions.Parse(options, root));

    static Task ServeBlob(Exchange exchange, byte[] file)
    {
        long[] ends = [.. exchange.Headers["x-ms-range"]["bytes=".Length..].Split(
                '-').Select(text => long.Parse(text, CultureInfo.InvariantCulture))];
        long last = Math.Min(ends[1], file.Length - 1);
        return exchange.Respond(
            206, $"ETag: \"v1\"\r\nContent-Range: bytes {ends[0]}-{last}/{file.Length}\r\n", file[(int)ends[0]..((int)last + 1)]);
    }

    static async Task Load(ObjectStore store, int[] wanted, int length)
    {
        await using var file = await SafetensorsObject.OpenAsync(store, "x", None);
        var targets = wanted.Select(_ => new byte[length]).ToArray();
        await file.ReadAsync(
            [.. wanted.Select((tensor, i) => (tensor, LargeMemory.From(targets[i].AsMemory())))], new Validation(null), new NoProgress(),
            None);
        for (int i = 0; i < wanted.Length; i++)
            Assert.Equal(-1, targets[i].AsSpan().IndexOfAnyExcept((byte)wanted[i]));
    }

    [Theory]
    [InlineData("s3", 4, 100_000)]
    [InlineData("az", 4, 100_000)]
    [InlineData("s3", 3, 1_000_000)]
    [InlineData("az", 3, 1_000_000)]
    public async Task Safetensors_HeaderAndFirstTensors_AreOneRequest(string scheme, int tensors, int length)
    {
        var (server, store) = Serve(scheme, await SafetensorsFile(tensors, length));
        await using (server)
        {
            await Load(store, [.. Enumerable.Range(0, tensors)], length);
            Assert.Single(server.Seen);
        }
    }

    [Theory]
    [InlineData("s3")]
    [InlineData("az")]
    public async Task Safetensors_FirstTensorAlone_IsOneRequest(string scheme)
    {
        var (server, store) = Serve(scheme, await SafetensorsFile(5, 300_000));
        await using (server)
        {
            await Load(store, [0], 300_000);
            Assert.Single(server.Seen);
        }
    }

    [Theory]
    [InlineData("s3", 1)]
    [InlineData("az", 1)]
    [InlineData("s3", 2)]
    [InlineData("az", 2)]
    public async Task Safetensors_ManySmallTensors_TakeARequestForEachPart(string scheme, int every)
    {
        const int count = 600, length = 50_000;
        var (server, store) = Serve(scheme, await SafetensorsFile(count, length));
        await using (server)
        {
            await Load(store, [.. Enumerable.Range(0, count / every).Select(i => count - every - i * every)], length);
            // 30 MB in parts of 8 MiB, and the end of the first answer
            Assert.InRange(server.Seen.Count, 4, 5);
        }
    }

    [Theory]
    [InlineData("s3")]
    [InlineData("az")]
    public async Task Safetensors_TensorsFarApart_FetchLittleElse(string scheme)
    {
        const int count = 40, length = 1_000_000;
        var file = await SafetensorsFile(count, length);
        var (server, store) = Serve(scheme, file);
        await using (server)
        {
            await Load(store, [12, 25, 39], length);
            Assert.Equal(4, server.Seen.Count);
        }
    }

    [Fact]
    public async Task Safetensors_BodiesBreakOff_GoOnWithinTheSegments()
    {
        const int count = 100, length = 40_000;
        var file = await SafetensorsFile(count, length);
        await using var server = new ScriptedServer(
            exchange => exchange.Serve(file, "\"v1\"", most: exchange.Number < 12 ? 333_333 : int.MaxValue));
        await Load(Open(
                "s3://bucket/", $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"secret","region":"r1"}"""),
            [.. Enumerable.Range(0, count / 3).Select(i => i * 3)], length);
        Assert.InRange(server.Seen.Count, 11, 16);
    }

    [Theory]
    [InlineData("s3", 400_000)]
    [InlineData("s3", 1000)]
    [InlineData("az", 400_000)]
    [InlineData("az", 1000)]
    public async Task Npy_HeaderAndData_AreOneRequest(string scheme, int length)
    {
        var memory = Open("memory://requests/", "{}");
        var data = new byte[length];
        new Random(1).NextBytes(data);
        byte[] header = NpyHeader.Build("'|u1'", false, [data.Length], null, "x");
        await NpyObject.SaveAsync(
            memory, "a.npy", header, LargeMemory.From(data.AsMemory()), null, PutOptions.Default, new NoProgress(), None);
        await using var written = await memory.OpenReadAsync("a.npy", ReadOptions.Default, None);
        var file = new byte[written.Meta.Size];
        await written.ReadAsync(0, file, None);
        var (server, store) = Serve(scheme, file);
        await using (server)
        {
            await using var array = await NpyObject.OpenAsync(store, "x", None);
            var target = new byte[data.Length];
            await array.ReadAsync(LargeMemory.From(target.AsMemory()), new Validation(null), new NoProgress(), None);
            Assert.Equal(data, target);
            Assert.Single(server.Seen);
        }
    }
}
