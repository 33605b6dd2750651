using S3dlio.Fuzz;
using S3dlio.Storage;
using Xunit;

namespace S3dlio;

/// <summary>
/// Every input that ever showed a fault, and some thousands of new ones for each parser; <c>dotnet run -c Release --project tests/fuzz</c>
/// makes millions.
/// </summary>
public sealed class FuzzTests
{
    public static TheoryData<string> Parsers => [.. AllTargets.List.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Parsers))]
    public void Parser_Corpus_IsTakenOrRefusedAsDocumented(string name)
    {
        var target = AllTargets.List.Single(target => target.Name == name);
        foreach (var (file, input) in Corpus.Of(target))
            Assert.True(Judge.Try(target, input).Fault is null, $"{name}/{file}: {Judge.Try(target, input).Fault}");
    }

    [Theory]
    [MemberData(nameof(Parsers))]
    public void Parser_GeneratedInputs_AreTakenOrRefusedAsDocumented(string name)
    {
        var campaign = new Campaign(AllTargets.List.Single(target => target.Name == name), seed: 20, corpus: []);
        campaign.Run(1500);
        Assert.Empty(campaign.Findings.Select(finding => $"{Convert.ToBase64String(finding.Input)}: {finding.Fault}"));
        Assert.True(campaign.Outcomes > 1, "all inputs went one way: the parser was hardly reached");
    }

    [Fact]
    public void Parser_Seeds_AreTaken()
    {
        foreach (var target in AllTargets.List)
        {
            Assert.NotEmpty(target.Seeds);
            Assert.Contains(
                target.Seeds, seed => Judge.Try(target, seed) is { Fault: null, Outcome: var outcome }
                    && !outcome.Contains("Exception", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Corpus_EachFolder_IsOfAParser()
    {
        var folders = Directory.EnumerateDirectories(Corpus.Folder).Select(folder => Path.GetFileName(folder)!);
        Assert.Empty(folders.Except(AllTargets.List.Select(target => target.Name)));
    }

    [Theory]
    [InlineData(Planted.Crash)]
    [InlineData(Planted.Lie)]
    [InlineData(Planted.Greed)]
    public void Campaign_PlantedFault_IsFoundAndShrunk(Planted fault)
    {
        var campaign = new Campaign(new BrokenParser(fault), seed: 1, corpus: []);
        campaign.Run(200_000);
        Assert.True(Assert.Single(campaign.Findings).Input.Length <= 5);
    }

    public enum Planted
    {
        Crash,
        Lie,
        Greed,
    }

    /// <summary>Looks at one character after the other, as parsers do, so that chance alone hardly comes to the end.</summary>
    sealed class BrokenParser(Planted fault) : Target
    {
        static byte[] s_taken = [];

        public override string Name => "broken";

        public override IEnumerable<byte[]> Seeds => ["abc"u8.ToArray()];

        public override IReadOnlyList<string> Tokens => ["w", "x", "y", "z", "w"];

        // a place in the trace, and memory that is really taken, however much is optimized
        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        public override string Run(byte[] input)
        {
            const string wanted = "wxyz";
            int common = 0;
            while (common < wanted.Length && common < input.Length && input[common] == wanted[common])
                common++;
            if (common < wanted.Length)
                throw new StoreException(ErrorKind.InvalidData, "memory://x", "expected " + wanted[..common]);
            return fault switch
            {
                Planted.Crash => throw new InvalidOperationException("planted"),
                Planted.Lie => throw new ViolationException("planted"),
                _ => (s_taken = new byte[1 << 20]).Length.ToString(System.Globalization.CultureInfo.InvariantCulture),
            };
        }
    }
}
