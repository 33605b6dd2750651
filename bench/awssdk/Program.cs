// Amazon's SDK for .NET as a rival: started by bench/rivals/awssdk_rival.py, it does what its standard input says, a line at a time.
//   AwsSdk ENDPOINT BUCKET PREFIX COUNT IN-FLIGHT        get the objects PREFIX0000 … of that bucket, so many in all, so many at once
// Each line on standard input runs that once; the answer is "SECONDS-OF-CPU BYTES", where the CPU is that of the run.
using System.Globalization;
using Amazon.Runtime;
using Amazon.S3;

var (endpoint, bucket, prefix) = (args[0], args[1], args[2]);
int count = int.Parse(args[3], CultureInfo.InvariantCulture), inFlight = int.Parse(args[4], CultureInfo.InvariantCulture);
using var client = new AmazonS3Client(new BasicAWSCredentials("bench", "bench"), new AmazonS3Config
{
    ServiceURL = endpoint,
    ForcePathStyle = true,
    AuthenticationRegion = "us-east-1",
    MaxConnectionsPerServer = inFlight,
});
// the compiler's work of the first thousands of calls is no part of what is compared
await RunAsync(4000);
Console.WriteLine("ready");
while (Console.ReadLine() is not null)
{
    var before = Environment.CpuUsage.TotalTime;
    long bytes = await RunAsync(count);
    Console.WriteLine(
        string.Create(CultureInfo.InvariantCulture, $"{(Environment.CpuUsage.TotalTime - before).TotalSeconds:0.000000} {bytes}"));
}

async Task<long> RunAsync(int calls)
{
    int next = -1;
    long total = 0;
    async Task Work()
    {
        var buffer = new byte[64 << 10];
        for (int i; (i = Interlocked.Increment(ref next)) < calls;)
        {
            using var answer = await client.GetObjectAsync(
                bucket, string.Create(CultureInfo.InvariantCulture, $"{prefix}{i % Math.Min(count, 1000):0000}"));
            for (int got; (got = await answer.ResponseStream.ReadAsync(buffer)) > 0;)
                Interlocked.Add(ref total, got);
        }
    }
    await Task.WhenAll(Enumerable.Range(0, inFlight).Select(_ => Task.Run(Work)));
    return total;
}
