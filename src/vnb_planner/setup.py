from setuptools import find_packages, setup

PACKAGE = "vnb_planner"

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
    description="Risk measures, costs and planners of finger motion, and the planner node.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "planner_node = vnb_planner.nodes.planner_node:main",
        ],
    },
)
