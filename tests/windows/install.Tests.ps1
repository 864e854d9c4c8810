# Pester 5: install.ps1 run for real, in the Windows job of the workflow. IMJOY_WHEEL names a wheel of this checkout.

BeforeAll {
    $Script = (Resolve-Path (Join-Path $PSScriptRoot '..\..\install.ps1')).ProviderPath

    # Runs the script in a Windows PowerShell of its own; sets $Code, $Said (stdout) and $Told (stderr).
    function Invoke-Script([string[]]$Words, [hashtable]$Environ = @{}) {
        $errors = Join-Path $TestDrive 'stderr.txt'
        $before = @{}
        foreach ($name in $Environ.Keys) {
            $before[$name] = [Environment]::GetEnvironmentVariable($name)
            [Environment]::SetEnvironmentVariable($name, $Environ[$name])
        }
        try {
            $said = & powershell.exe -NoProfile -ExecutionPolicy Bypass -File $Script @Words 2>$errors
            $code = $LASTEXITCODE
        } finally {
            foreach ($name in $before.Keys) { [Environment]::SetEnvironmentVariable($name, $before[$name]) }
        }
        return @{ Code = $code; Said = ($said -join "`n"); Told = "$(Get-Content -Raw $errors)" }
    }

    function Get-Ids($Result) { @(($Result.Said | ConvertFrom-Json).problems | ForEach-Object { $_.id }) }

    $NoConda = @{ CONDA_EXE = ''; IMJOY_MIRROR = 'http://127.0.0.1:9' }
}

Describe 'what it says of itself' {
    It 'prints its version and its help' {
        (Invoke-Script @('-Version')).Said | Should -Match '^imjoy \d'
        (Invoke-Script @('-Help')).Said | Should -Match 'exit codes: 0 done'
    }

    It 'calls what was typed wrong a usage error: <words>' -ForEach @(
        @{ words = '-Nope' }, @{ words = '-Distribution anaconda' }, @{ words = '-Sha256 abc' },
        @{ words = '-Offline Z:\nowhere' }, @{ words = '-Distribution miniconda -Installer Z:\none.exe -Sha256 abc' }
    ) {
        $done = Invoke-Script (($words -split ' ') + '-Json')
        $done.Code | Should -Be 2
        ($done.Said | ConvertFrom-Json).error.id | Should -Be 'usage.wrong'
    }

    It 'does not end the session that it was piped into' {
        $line = "Get-Content -Raw '$Script' | Invoke-Expression; Write-Output still-here"
        $env:IMJOY_PREFIX = 'C:\Windows\System32'
        $env:IMJOY_MIRROR = 'http://127.0.0.1:9'
        $said = & powershell.exe -NoProfile -ExecutionPolicy Bypass -Command $line 2>$null
        $env:IMJOY_PREFIX = $null
        $env:IMJOY_MIRROR = $null
        $said[-1] | Should -Be 'still-here'
    }
}

Describe 'what is in the way' {
    It 'is told with an id, and nothing is changed' {
        $file = Join-Path $TestDrive 'file'
        [IO.File]::WriteAllText($file, 'mine')
        $done = Invoke-Script @('-Prefix', $file, '-From', 'nowhere.whl', '-Json') $NoConda
        $done.Code | Should -Be 3
        Get-Ids $done | Should -Contain 'prefix.not_a_folder'
        Get-Ids $done | Should -Contain 'source.missing'
        Get-Content $file | Should -Be 'mine'
    }

    It 'is a folder of somebody else' {
        $folder = Join-Path $TestDrive 'theirs'
        New-Item -ItemType Directory $folder | Out-Null
        [IO.File]::WriteAllText((Join-Path $folder 'thesis.tex'), 'mine')
        Get-Ids (Invoke-Script @('-Prefix', $folder, '-Json') $NoConda) | Should -Contain 'prefix.foreign'
    }

    It 'is a server that cannot be reached, exit 4' {
        $words = @('-Prefix', (Join-Path $TestDrive 'new'), '-Distribution', 'miniconda', '-Mirror', 'http://127.0.0.1:9', '-From', $env:IMJOY_WHEEL, '-Json')
        $done = Invoke-Script $words
        $done.Code | Should -Be 4
        Get-Ids $done | Should -Be @('network.installer')
    }

    It 'is a repository that cannot be reached, also for a branch whose name has slashes' {
        $words = @('-Json', '-Distribution', 'venv', '-Prefix', (Join-Path $TestDrive 'branch'))
        $done = Invoke-Script ($words + @('-From', 'git+https://me@127.0.0.1:9/a/b@feature/new')) $NoConda
        $done.Code | Should -Be 4
        ($done.Said | ConvertFrom-Json).error.what | Should -Match '^https://me@127\.0\.0\.1:9/a/b cannot be reached'
    }

    It 'is an installer that is not what it should be, exit 6, and nothing is left' {
        $wrong = Join-Path $TestDrive 'wrong.exe'
        [IO.File]::WriteAllText($wrong, 'no installer')
        $prefix = Join-Path $env:SystemDrive "imjoy-$PID"
        $done = Invoke-Script @('-Prefix', $prefix, '-Distribution', 'miniconda', '-Installer', $wrong, '-Sha256', ('0' * 64), '-From', $env:IMJOY_WHEEL, '-Json')
        $done.Code | Should -Be 6
        Test-Path $prefix | Should -BeFalse
    }
}

Describe 'an install' {
    It 'into an environment of the Python that is here works, is not repeated, and goes without a trace' {
        $prefix = Join-Path $TestDrive 'my lab\ImJoyApp'
        $words = @('-Prefix', $prefix, '-Distribution', 'venv', '-From', $env:IMJOY_WHEEL)
        (Invoke-Script ($words + '-DryRun') $NoConda).Said | Should -Match 'make the environment'
        Test-Path $prefix | Should -BeFalse
        $first = Invoke-Script ($words + '-Json' + '-Verbose') $NoConda
        $first.Code | Should -Be 0 -Because $first.Told
        ($first.Said | ConvertFrom-Json).action | Should -Be 'install'
        $first.Told | Should -Match 'of that imjoy itself'
        & "$prefix\Scripts\imjoy.exe" --version | Should -Match '^imjoy '
        $second = Invoke-Script ($words + '-Json') $NoConda
        ($second.Said | ConvertFrom-Json).action | Should -Be 'none'
        $same = & "$prefix\Scripts\python.exe" -I -m imjoy install --prefix $prefix --from $env:IMJOY_WHEEL --dry-run --json
        ($same | ConvertFrom-Json).action | Should -Be 'none'
        (Invoke-Script @('-Uninstall', '-Yes', '-Prefix', $prefix)).Code | Should -Be 0
        Test-Path (Split-Path $prefix) | Should -BeFalse
    }

    It 'that fails takes back what it made, and keeps a log' {
        $prefix = Join-Path $TestDrive 'failing'
        $empty = Join-Path $TestDrive 'imjoy-9-py3-none-any.whl'
        [IO.File]::WriteAllText($empty, '')
        $done = Invoke-Script @('-Prefix', $prefix, '-Distribution', 'venv', '-From', $empty, '-Json') $NoConda
        $done.Code | Should -Be 1
        Test-Path $prefix | Should -BeFalse
        $done.Told.Trim().Split("`n")[-1] | Should -Match '^log: '
    }

    It 'beside another one is refused with exit 7' {
        $prefix = Join-Path $TestDrive 'locked'
        $lock = New-Item -ItemType Directory (Join-Path $prefix '.imjoy\install.lock')
        $epoch = [DateTime]::new(1970, 1, 1, 0, 0, 0, [DateTimeKind]::Utc)
        $started = [int64][Math]::Floor(((Get-Process -Id $PID).StartTime.ToUniversalTime() - $epoch).TotalSeconds)
        [IO.File]::WriteAllText((Join-Path $lock 'owner'), "$PID $([Environment]::MachineName) $started`n")
        (Invoke-Script @('-Prefix', $prefix, '-Distribution', 'venv', '-From', $env:IMJOY_WHEEL) $NoConda).Code | Should -Be 7
    }
}

Describe 'the conda of this machine' {
    It 'gets an environment of its own, which the prefix is a junction to' -Skip:(-not $env:CONDA) {
        $prefix = Join-Path $TestDrive 'linked'
        $environ = @{ CONDA_EXE = "$env:CONDA\Scripts\conda.exe" }
        $done = Invoke-Script @('-Prefix', $prefix, '-Distribution', 'existing', '-From', $env:IMJOY_WHEEL, '-Json') $environ
        $done.Code | Should -Be 0 -Because $done.Told
        (Get-Item $prefix).LinkType | Should -Be 'Junction'
        & "$prefix\Scripts\imjoy.exe" --version | Should -Match '^imjoy '
        (Invoke-Script @('-Uninstall', '-Yes', '-Prefix', $prefix)).Code | Should -Be 0
        Test-Path $prefix | Should -BeFalse
    }
}
