from setuptools import find_packages, setup

PACKAGE = "vnb_sim_bridge"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"": ["py.typed", "**/*.yaml", "**/*.json", "**/*.pt", "**/*.npz", "**/*.xml", "**/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="VNB maintainers",
    maintainer_email="maintainers@vnb.invalid",
    description="MuJoCo world that stands in for the robot: sensors, scenarios, arm motion, stress tests, its node.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "sim_bridge_node = vnb_sim_bridge.nodes.sim_bridge_node:main",
        ],
    },
)
